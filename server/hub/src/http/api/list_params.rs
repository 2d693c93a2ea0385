//! The parameters of a list, as clients of every generation write them, and what they mean.

use acervo_core::RepoKind;
use acervo_core::catalog::{Facet, parse_parameters};
use acervo_store::db::search::{GatedIs, Position, Sort, Value};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::cursor;
use crate::app::lists::{LIST_LIMIT_MAX, ListRequest};
use crate::error::HubError;
use crate::http::query::{Query, is_true};

/// Repositories of a page unless the client asks for another number.
const PAGE_REPOS: u64 = 100;

/// Most repositories of a page whose files are listed too: each costs a listing.
const PAGE_REPOS_WITH_FILES_MAX: u64 = 100;

/// Fields of every item.
const BASIC_FIELDS: &[&str] =
    &["likes", "private", "downloads", "tags", "createdAt", "modelId", "pipeline_tag", "library_name", "sdk"];

/// Fields of an item with `full`; datasets always have them.
const FULL_FIELDS: &[&str] = &["author", "sha", "lastModified", "gated", "disabled", "description"];

/// Orders of a list.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortName {
    /// When the commit served was made.
    LastModified,
    /// When the repository was made.
    CreatedAt,
    /// Downloads from this hub.
    Downloads,
    /// There are none here: as downloads.
    Likes,
    /// There are none here: as downloads.
    Likes30d,
    /// There is none here: as downloads.
    TrendingScore,
    /// Parameters of a model.
    #[serde(rename = "num_parameters")]
    NumParameters,
    /// Bytes of all files.
    MainSize,
    /// The name.
    Id,
}

/// How lists are filtered by gates.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatedFilter {
    /// Gated in any way.
    True,
    /// Not gated.
    False,
    /// Access is given to whoever asks.
    Auto,
    /// Access is given by a maintainer.
    Manual,
}

/// What of a list is asked for. What is not named here is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ListParams {
    /// Text within the id, whatever its case and accents; repeated, all of them.
    #[param(required = false)]
    pub search: Vec<String>,
    /// Namespace.
    pub author: Option<String>,
    /// Tags, repeated or separated by commas, all of them: `license:mit`, `language:en`, `dataset:x`.
    #[param(required = false)]
    pub filter: Vec<String>,
    /// Task; models.
    #[param(rename = "pipeline_tag")]
    pub pipeline_tag: Option<String>,
    /// Library; models.
    pub library: Option<String>,
    /// Whether access must be asked for, and how it is given; models and datasets.
    #[param(inline, value_type = Option<GatedFilter>)]
    pub gated: Option<String>,
    /// Least and most parameters, as in `min:6B,max:128B`; models.
    #[param(rename = "num_parameters", pattern = r"^(min|max):\d{1,6}[KMBT]?(,(min|max):\d{1,6}[KMBT]?)?$")]
    pub num_parameters: Option<String>,
    /// Applications that can run it, repeated, all of them; models.
    #[param(required = false)]
    pub apps: Vec<String>,
    /// Whether a provider answers with it: none does, so nothing is found.
    pub inference: Option<String>,
    /// Which provider answers with it: none does, so nothing is found.
    #[param(rename = "inference_provider", required = false)]
    pub inference_provider: Vec<String>,
    /// Datasets that a space uses, all of them.
    #[param(required = false)]
    pub datasets: Vec<String>,
    /// Models that a space uses, all of them.
    #[param(required = false)]
    pub models: Vec<String>,
    /// Only spaces that use a model or a dataset.
    #[param(required = false)]
    pub linked: bool,
    /// Highest first; `id`: from A on. Without it, what was last published here comes first. There are no likes and
    /// trends here: among equals, downloads decide.
    #[param(inline, value_type = Option<SortName>, example = "lastModified")]
    pub sort: Option<String>,
    /// `-1` for highest first, `1` for lowest first.
    #[param(example = "-1")]
    pub direction: Option<String>,
    /// Most repositories of a page; 100 unless asked for, 1000 at most, 100 where files are listed.
    #[param(minimum = 1, maximum = 1000, example = 20)]
    pub limit: Option<u64>,
    /// Where to go on, from the `Link` of the page before.
    pub cursor: Option<String>,
    /// More fields, files among them.
    #[param(required = false)]
    pub full: bool,
    /// Fields of the card too.
    #[param(required = false)]
    pub card_data: bool,
    /// Excerpt of the model's configuration too.
    #[param(required = false)]
    pub config: bool,
    /// Repeated: only these fields, beside the ids; unknown names are ignored.
    #[param(required = false)]
    pub expand: Vec<String>,
}

impl From<&Query> for ListParams {
    fn from(query: &Query) -> Self {
        let text = |key| query.last(key).map(str::to_owned);
        ListParams {
            search: query.list("search"),
            author: text("author"),
            filter: query.comma_list("filter"),
            pipeline_tag: text("pipeline_tag"),
            library: text("library"),
            gated: text("gated"),
            num_parameters: text("num_parameters"),
            apps: query.comma_list("apps"),
            inference: text("inference"),
            inference_provider: query.comma_list("inference_provider"),
            datasets: query.comma_list("datasets"),
            models: query.comma_list("models"),
            linked: query.flag("linked"),
            sort: text("sort"),
            direction: text("direction"),
            limit: query.number("limit"),
            cursor: text("cursor"),
            full: query.flag("full"),
            card_data: query.flag("cardData"),
            config: query.flag("config"),
            expand: query.list("expand"),
        }
    }
}

impl ListParams {
    /// The fields that each item is to have.
    pub(super) fn fields(&self, kind: RepoKind) -> Vec<&str> {
        if !self.expand.is_empty() {
            return self.expand.iter().map(String::as_str).collect();
        }
        let mut fields = BASIC_FIELDS.to_vec();
        if self.full || kind == RepoKind::Dataset {
            fields.extend(FULL_FIELDS);
        }
        fields.extend(
            [("siblings", self.full), ("cardData", self.card_data), ("config", self.config)]
                .iter()
                .filter_map(|(field, wanted)| wanted.then_some(*field)),
        );
        fields
    }

    /// Whether the files of each item are to be listed.
    pub(super) fn lists_files(&self, kind: RepoKind) -> bool {
        self.fields(kind).contains(&"siblings")
    }

    fn limit(&self, kind: RepoKind) -> u64 {
        let max = if self.lists_files(kind) { PAGE_REPOS_WITH_FILES_MAX } else { LIST_LIMIT_MAX };
        self.limit.unwrap_or(PAGE_REPOS).clamp(1, max)
    }

    /// The order, and whether it ascends.
    fn order(&self) -> Result<(Sort, bool), HubError> {
        let sort = match self.sort.as_deref() {
            None => Sort::Published,
            Some("lastModified" | "last_modified") => Sort::Modified,
            Some("createdAt" | "created_at") => Sort::Created,
            Some("downloads" | "likes" | "likes30d" | "trendingScore" | "trending_score") => Sort::Downloads,
            Some("num_parameters") => Sort::Parameters,
            Some("mainSize") => Sort::Bytes,
            Some("id") => Sort::Name,
            Some(other) => {
                return Err(HubError::Invalid(format!(
                    "`sort` cannot be `{other}`; use createdAt, downloads, id, lastModified, likes, likes30d, mainSize, \
                     num_parameters or trendingScore"
                )));
            }
        };
        let ascends = match self.direction.as_deref() {
            Some("-1") => false,
            Some("1") => true,
            _ => sort == Sort::Name,
        };
        Ok((sort, ascends))
    }

    fn gated(&self) -> Result<Option<GatedIs>, HubError> {
        Ok(match self.gated.as_deref() {
            None => None,
            Some("auto") => Some(GatedIs::Auto),
            Some("manual") => Some(GatedIs::Manual),
            Some(text) if is_true(text) => Some(GatedIs::Any),
            Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(GatedIs::Open),
            Some(other) => {
                return Err(HubError::Invalid(format!("`gated` cannot be `{other}`; use true, false, auto or manual")));
            }
        })
    }

    fn parameters(&self) -> Result<Option<(u64, u64)>, HubError> {
        let Some(text) = &self.num_parameters else { return Ok(None) };
        let unreadable =
            || HubError::Invalid(format!("`num_parameters` cannot be `{text}`; write it like `min:6B,max:128B`"));
        let (mut least, mut most) = (1, u64::MAX);
        for bound in text.split(',') {
            let (side, number) = bound.split_once(':').ok_or_else(unreadable)?;
            let number = parse_parameters(number).ok_or_else(unreadable)?;
            match side.trim() {
                "min" => least = number,
                "max" => most = number,
                _ => return Err(unreadable()),
            }
        }
        Ok(Some((least, most)))
    }

    /// What is asked, in domain words; parameters that this kind does not have are ignored.
    pub(super) fn request(&self, kind: RepoKind) -> Result<ListRequest, HubError> {
        let mut request = ListRequest::of(Some(kind));
        request.search.clone_from(&self.search);
        request.author.clone_from(&self.author);
        request.tags.clone_from(&self.filter);
        request.order = self.order()?;
        request.limit = self.limit(kind);
        if kind != RepoKind::Space {
            request.gated = self.gated()?;
        }
        match kind {
            RepoKind::Model => {
                request.parameters = self.parameters()?;
                self.pipeline_tag.iter().for_each(|task| request.with(Facet::Task(task)));
                // A model may be loaded by others than its own library, and then has their tags.
                request.tags.extend(self.library.clone());
                self.apps.iter().for_each(|app| request.with(Facet::App(app)));
                let providers = self.inference.iter().chain(&self.inference_provider);
                providers.for_each(|provider| request.with(Facet::Inference(provider)));
            }
            RepoKind::Dataset => {}
            RepoKind::Space => {
                self.models.iter().for_each(|id| request.with(Facet::UsesModel(id)));
                self.datasets.iter().for_each(|id| request.with(Facet::UsesDataset(id)));
                if self.linked {
                    request.with(Facet::IsLinked);
                }
            }
        }
        if let Some(text) = &self.cursor {
            request.after = Some(position(&cursor::decode_for(&identity(&request), text)?, request.order.0)?);
        }
        Ok(request)
    }
}

/// What a cursor belongs to: everything that decides which repositories come in which order, but for the caller's
/// rights, which may change between two pages.
fn identity(request: &ListRequest) -> String {
    let ListRequest { kind, search, author, tags, facets, gated, parameters, order, limit: _, after: _ } = request;
    format!("{kind:?} {search:?} {author:?} {tags:?} {facets:?} {gated:?} {parameters:?} {order:?}")
}

/// The cursor for a position in a list.
pub(super) fn cursor_to(request: &ListRequest, position: &Position) -> String {
    let value = match &position.value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    cursor::encode_for(&identity(request), &format!("{} {value}", position.public_id))
}

fn position(text: &str, sort: Sort) -> Result<Position, HubError> {
    let (public_id, value) = text.split_once(' ').ok_or_else(cursor::invalid)?;
    if value.contains('\0') || public_id.len() != 24 || !public_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(cursor::invalid());
    }
    let value = match sort {
        Sort::Name => Value::Text(value.to_owned()),
        _ => Value::Number(value.parse().map_err(|_| cursor::invalid())?),
    };
    Ok(Position { value, public_id: public_id.to_owned() })
}

#[cfg(test)]
mod tests {
    use acervo_core::RepoKind;
    use acervo_core::catalog::Facet;
    use acervo_store::db::search::{GatedIs, Position, Sort, Value};

    use super::{ListParams, cursor_to};
    use crate::http::query::Query;

    fn params(raw: &str) -> ListParams {
        ListParams::from(&Query::parse(raw.as_bytes()))
    }

    #[test]
    fn filters_are_repeated_or_joined() {
        let asked = params("filter=license:mit,text-generation&filter=language%3Aen&library=gguf&pipeline_tag=x");
        let request = asked.request(RepoKind::Model).unwrap();
        assert_eq!(request.tags, ["license:mit", "text-generation", "language:en", "gguf"]);
        assert_eq!(request.facets, [Facet::Task("x").key()]);
        assert_eq!(asked.request(RepoKind::Dataset).unwrap().facets, [""; 0], "only models have tasks");
    }

    #[test]
    fn every_order_that_clients_know_is_understood_and_no_other() {
        for (raw, order) in [
            ("", (Sort::Published, false)),
            ("sort=lastModified&direction=1", (Sort::Modified, true)),
            ("sort=last_modified", (Sort::Modified, false)),
            ("sort=likes", (Sort::Downloads, false)),
            ("sort=likes30d", (Sort::Downloads, false)),
            ("sort=trendingScore", (Sort::Downloads, false)),
            ("sort=createdAt", (Sort::Created, false)),
            ("sort=created_at&direction=-1", (Sort::Created, false)),
            ("sort=downloads&direction=down", (Sort::Downloads, false)),
            ("sort=num_parameters", (Sort::Parameters, false)),
            ("sort=mainSize", (Sort::Bytes, false)),
            ("sort=id", (Sort::Name, true)),
            ("sort=id&direction=-1", (Sort::Name, false)),
        ] {
            assert_eq!(params(raw).request(RepoKind::Model).unwrap().order, order, "{raw}");
        }
        assert!(params("sort=nonsense").request(RepoKind::Model).is_err());
    }

    #[test]
    fn pages_have_bounds() {
        let limit = |raw: &str| params(raw).request(RepoKind::Model).unwrap().limit;
        assert_eq!(["", "limit=0", "limit=7", "limit=5000", "limit=x"].map(limit), [100, 1, 7, 1000, 100]);
        assert_eq!(["limit=5000&full=True", "limit=5000&expand=siblings"].map(limit), [100, 100]);
    }

    #[test]
    fn fields_follow_full_card_config_and_expand() {
        let has = |raw: &str, kind, field: &str| params(raw).fields(kind).contains(&field);
        assert!(!has("", RepoKind::Model, "sha") && has("", RepoKind::Dataset, "sha"));
        assert!(has("full=true", RepoKind::Model, "siblings") && !has("", RepoKind::Dataset, "siblings"));
        assert!(has("cardData=1", RepoKind::Model, "cardData") && !has("full=1", RepoKind::Model, "cardData"));
        assert!(has("config=True", RepoKind::Model, "config"));
        assert_eq!(params("expand=sha&expand[]=nonsense&full=true").fields(RepoKind::Model), ["sha", "nonsense"]);
    }

    #[test]
    fn gates_and_numbers_of_parameters_are_read_or_refused() {
        let gated = |raw: &str| params(raw).request(RepoKind::Dataset).map(|request| request.gated);
        for (raw, expected) in [
            ("", None),
            ("gated=True", Some(GatedIs::Any)),
            ("gated=false", Some(GatedIs::Open)),
            ("gated=auto", Some(GatedIs::Auto)),
            ("gated=manual", Some(GatedIs::Manual)),
        ] {
            assert_eq!(gated(raw).unwrap(), expected, "{raw}");
        }
        assert!(gated("gated=perhaps").is_err());
        let bounds = |raw: &str| params(raw).request(RepoKind::Model).map(|request| request.parameters);
        assert_eq!(bounds("num_parameters=min:6B,max:128B").unwrap(), Some((6_000_000_000, 128_000_000_000)));
        assert_eq!(bounds("num_parameters=max:1.5M").unwrap(), Some((1, 1_500_000)));
        for wrong in ["7B", "min:", "least:7B", "min:7B,", "min:x"] {
            assert!(bounds(&format!("num_parameters={wrong}")).is_err(), "{wrong}");
        }
        assert_eq!(params("num_parameters=x").request(RepoKind::Space).unwrap().parameters, None);
    }

    #[test]
    fn a_cursor_leads_on_in_its_own_list_only() {
        let public_id = "66f2a1c09d3e4b5f60718293".to_owned();
        for (raw, value) in
            [("sort=downloads&filter=a", Value::Number(-7)), ("sort=id&filter=a", Value::Text("acme/tiny".to_owned()))]
        {
            let request = params(raw).request(RepoKind::Model).unwrap();
            let position = Position { value, public_id: public_id.clone() };
            let cursor = cursor_to(&request, &position);
            let again = |raw: &str, kind| params(&format!("{raw}&cursor={cursor}")).request(kind);
            assert_eq!(again(raw, RepoKind::Model).unwrap().after, Some(position));
            assert!(again(&format!("{raw}&limit=3&full=1"), RepoKind::Model).is_ok(), "what each item shows is free");
            assert!(again(raw, RepoKind::Dataset).is_err());
            for other in ["&author=acme", "&filter=b", "&search=x", "&direction=1&sort=createdAt", "&gated=true"] {
                assert!(again(&format!("{raw}{other}"), RepoKind::Model).is_err(), "{raw}{other}");
            }
        }
    }
}

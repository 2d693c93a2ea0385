//! Reading `mirrors.toml`: strictly, and telling line and column of what cannot be used.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{
    ByteSize, Cron, Follow, Limits, LocalName, Order, RepoPattern, RevisionPattern, Rules, Timing, Window, Zone,
};
use crate::access::Visibility;
use crate::gate::GateMode;
use crate::name::{RepoKind, check_segment};
use crate::selection::{Preset, Selection};

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Most orders of a file.
const ORDERS_MAX: usize = 10_000;

/// Why a file cannot be used, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FileError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to write.
    pub message: String,
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    defaults: Option<Spanned<Table>>,
    #[serde(default)]
    mirror: BTreeMap<String, Spanned<Table>>,
}

/// `[defaults]`, or an order; what an order leaves out, the defaults say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    repos: Option<Vec<RepoPattern>>,
    except: Option<Vec<RepoPattern>>,
    revisions: Option<Vec<RevisionPattern>>,
    newest_tags: Option<Count>,
    newest_commits: Option<Count>,
    include: Option<Vec<Pattern>>,
    exclude: Option<Vec<Pattern>>,
    presets: Option<Vec<Preset>>,
    file_bytes_max: Option<ByteSize>,
    repo_bytes_max: Option<ByteSize>,
    schedule: Option<Cron>,
    time_zone: Option<Zone>,
    jitter_seconds: Option<u32>,
    priority: Option<i32>,
    windows: Option<Vec<Window>>,
    upstreams: Option<Vec<Upstream>>,
    #[serde(rename = "as")]
    local_name: Option<LocalName>,
    visibility: Option<Seen>,
    readers: Option<Vec<Reader>>,
    gate: Option<GateWord>,
    paused: Option<bool>,
}

super::checked_text! {
    /// A glob of a selection.
    Pattern, |text| {
        let alone = Selection { include: vec![text.to_owned()], ..Selection::default() };
        alone.compile().map(drop).map_err(|error| error.to_string())
    };
    /// Base URL of a hub.
    Upstream, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        if rest.is_empty() || rest.contains(['@', '?', '#', ' ']) || rest.starts_with('/') {
            return Err("an upstream is the base URL of a hub; write `https://host`, without credentials or query".to_owned());
        }
        Ok(())
    };
    /// Name of a user.
    Reader, |text| check_segment(text).map_err(|_| format!("`{text}` is not the name of a user"));
    /// A repository type.
    Kind, |text| text.parse::<RepoKind>().map(drop).map_err(|error| error.to_string());
    /// Who may see it.
    Seen, |text| text.parse::<Visibility>().map(drop);
    /// What stands before it.
    GateWord, |text| text.parse::<GateMode>().map(drop);
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
struct Count(u32);

/// Most tags or commits that `newest_tags` and `newest_commits` may ask for.
const COUNT_MAX: u32 = 100;

impl TryFrom<u32> for Count {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        if (1..=COUNT_MAX).contains(&count) {
            Ok(Count(count))
        } else {
            Err(format!("`{count}` is out of range; write a number from 1 to {COUNT_MAX}"))
        }
    }
}

/// Reads the orders of a file, in its order.
pub fn parse(text: &str) -> Result<Vec<Order>, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(at(
            text,
            0,
            format!("a mirrors file has at most {FILE_BYTES_MAX} bytes, this one has {}", text.len()),
        ));
    }
    let file: File = toml::from_str(text).map_err(|error| place(text, &error))?;
    if file.mirror.len() > ORDERS_MAX {
        return Err(at(text, 0, format!("a mirrors file has at most {ORDERS_MAX} orders")));
    }
    let defaults = match &file.defaults {
        Some(table) => {
            let own = table.get_ref();
            if own.repos.is_some() || own.except.is_some() || own.local_name.is_some() {
                let message = "`repos`, `except` and `as` belong to an order; move them to a `[mirror.NAME]`";
                return Err(at(text, table.span().start, message.to_owned()));
            }
            own.clone()
        }
        None => Table::default(),
    };
    let mut tables: Vec<(String, Spanned<Table>)> = file.mirror.into_iter().collect();
    tables.sort_by_key(|(_, table)| table.span().start);
    let mut orders = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        let place = table.span().start;
        let refuse = |why: String| at(text, place, format!("the order `{name}` {why}"));
        check_segment(&name)
            .map_err(|_| refuse("has no usable name; write letters, digits, `-`, `_` or `.`".to_owned()))?;
        orders.push(order(&name, table.into_inner(), &defaults).map_err(refuse)?);
    }
    Ok(orders)
}

/// An order of what it says itself and what the defaults say.
fn order(name: &str, own: Table, defaults: &Table) -> Result<Order, String> {
    let either = |own: Option<Vec<Pattern>>, other: &Option<Vec<Pattern>>| {
        own.or_else(|| other.clone()).unwrap_or_default().iter().map(|glob| glob.as_str().to_owned()).collect()
    };
    let repos = own.repos.unwrap_or_default();
    if repos.is_empty() {
        return Err("names no repository; add `repos = [\"namespace/name\"]`".to_owned());
    }
    let several = repos.len() > 1 || repos.iter().any(RepoPattern::is_glob);
    if several && own.local_name.as_ref().is_some_and(|name| !name.tells_apart()) {
        return Err("would give several repositories one name; write `{name}` in `as`, as in `lab/{name}`".to_owned());
    }
    let timing = Timing {
        schedule: own.schedule.or_else(|| defaults.schedule.clone()),
        time_zone: own.time_zone.or_else(|| defaults.time_zone.clone()).unwrap_or_else(|| Timing::default().time_zone),
        jitter_seconds: own.jitter_seconds.or(defaults.jitter_seconds).unwrap_or_default(),
        priority: own.priority.or(defaults.priority).unwrap_or_default(),
        windows: own.windows.or_else(|| defaults.windows.clone()).unwrap_or_default(),
    };
    let follow = Follow {
        revisions: own.revisions.or_else(|| defaults.revisions.clone()).unwrap_or_default(),
        newest_tags: own.newest_tags.or(defaults.newest_tags).map(|count| count.0),
        newest_commits: own.newest_commits.or(defaults.newest_commits).map(|count| count.0),
    };
    let selection = Selection {
        include: either(own.include, &defaults.include),
        exclude: either(own.exclude, &defaults.exclude),
        presets: own.presets.or_else(|| defaults.presets.clone()).unwrap_or_default(),
    };
    selection.compile().map_err(|error| format!("cannot be used: {error}"))?;
    let limits = Limits {
        file_bytes_max: own.file_bytes_max.or(defaults.file_bytes_max).map(|size| size.0),
        repo_bytes_max: own.repo_bytes_max.or(defaults.repo_bytes_max).map(|size| size.0),
    };
    let upstreams = own.upstreams.or_else(|| defaults.upstreams.clone()).unwrap_or_default();
    let upstreams = upstreams.iter().map(|url| url.as_str().trim_end_matches('/').to_owned()).collect();
    // Each was read before, so none of these can fail.
    let kind = own.kind.as_ref().or(defaults.kind.as_ref()).map_or(Ok(RepoKind::Model), |kind| kind.as_str().parse());
    let seen = own.visibility.as_ref().or(defaults.visibility.as_ref());
    let gate = own.gate.as_ref().or(defaults.gate.as_ref()).map(|gate| gate.as_str().parse()).transpose()?;
    let readers = own.readers.or_else(|| defaults.readers.clone()).unwrap_or_default();
    Ok(Order {
        name: name.to_owned(),
        kind: kind.map_err(|error| error.to_string())?,
        repos,
        except: own.except.unwrap_or_default(),
        rules: Rules { follow, selection, limits, timing, upstreams },
        local_name: own.local_name,
        visibility: seen.map_or(Ok(Visibility::Public), |seen| seen.as_str().parse())?,
        readers: readers.iter().map(|name| name.as_str().to_owned()).collect(),
        gate,
        paused: own.paused.or(defaults.paused).unwrap_or_default(),
    })
}

/// What the reader of TOML cannot use, in our words and with its place.
pub(crate) fn place(text: &str, error: &toml::de::Error) -> FileError {
    at(text, error.span().map_or(0, |span| span.start), explain(error.message()))
}

/// An error at a place in the text.
fn at(text: &str, place: usize, message: String) -> FileError {
    let before = &text.as_bytes()[..place.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    FileError { line, column, message }
}

/// A message of the reader of TOML in our words; an unknown key with the one that was probably meant.
fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message.trim().trim_end_matches('.').replace('\n', ", ");
    };
    let mut quoted = rest.split('`');
    let unknown = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.skip(1).step_by(2).collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, unknown), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().max(3) / 2);
    match nearest {
        Some((_, name)) => format!("unknown key `{unknown}`; did you mean `{name}`?"),
        None => format!("unknown key `{unknown}`; known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests;

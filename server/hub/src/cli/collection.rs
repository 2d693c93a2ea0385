//! `acervo collection`: repositories put together under a title.

use std::process::ExitCode;

use acervo_core::{Caller, Visibility};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::collections::{self, Draft, LIST_LIMIT_MAX, ListRequest, Shown, Theme};
use crate::cli::gate::find;
use crate::cli::{RepoArgs, print};
use crate::context::Hub;
use crate::error::HubError;

/// What to do with collections.
#[derive(Debug, Subcommand)]
pub(super) enum CollectionCommand {
    /// Make a collection
    Create(CreateArgs),
    /// Put a repository at the end of a collection
    Add {
        /// Collection, as `acervo collection list` names it
        slug: String,
        #[command(flatten)]
        repo: RepoArgs,
        /// What to say of it
        #[arg(long)]
        note: Option<String>,
    },
    /// Take a repository out of a collection
    Remove {
        /// Collection, as `acervo collection list` names it
        slug: String,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Delete a collection; what was in it stays
    Delete {
        /// Collection, as `acervo collection list` names it
        slug: String,
    },
    /// List all collections
    List {
        /// Only those of this namespace
        #[arg(long)]
        owner: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a collection and what is in it
    Show {
        /// Collection, as `acervo collection list` names it
        slug: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A collection to make.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Namespace it is to belong to
    owner: String,
    /// Title
    title: String,
    /// What it is about, in a sentence
    #[arg(long)]
    description: Option<String>,
    /// Who may know of it: public, internal (who is known here) or private (who may see the whole namespace)
    #[arg(long, default_value = "public")]
    visibility: Visibility,
    /// Colour: orange, blue, green, purple, pink or indigo
    #[arg(long, default_value = "blue", value_parser = parse_theme)]
    theme: Theme,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads a colour.
fn parse_theme(text: &str) -> Result<Theme, String> {
    let found = Theme::ALL.into_iter().find(|theme| theme.as_str() == text);
    found.ok_or_else(|| format!("`{text}` is not a colour; use orange, blue, green, purple, pink or indigo"))
}

/// Runs `acervo collection ..`.
pub(super) async fn run(hub: &Hub, command: CollectionCommand) -> Result<ExitCode, HubError> {
    let caller = &Caller::System;
    match command {
        CollectionCommand::Create(args) => create(hub, args).await?,
        CollectionCommand::Add { slug, repo, note } => {
            let (shown, repo) = (collections::find(hub, caller, &slug).await?, find(hub, &repo).await?);
            collections::add(hub, caller, &shown, &repo, note.as_deref()).await?;
            println!("the {} `{}` is in `{}` now", repo.kind, repo.name, shown.slug());
        }
        CollectionCommand::Remove { slug, repo } => {
            let (shown, repo) = (collections::find(hub, caller, &slug).await?, find(hub, &repo).await?);
            collections::remove(hub, caller, &shown, &repo).await?;
            println!("the {} `{}` is no longer in `{}`", repo.kind, repo.name, shown.slug());
        }
        CollectionCommand::Delete { slug } => {
            let shown = collections::find(hub, caller, &slug).await?;
            collections::delete(hub, caller, &shown).await?;
            println!("`{}` is gone; what was in it is where it was", shown.slug());
        }
        CollectionCommand::List { owner, json } => list(hub, owner, json).await?,
        CollectionCommand::Show { slug, json } => show(&collections::find(hub, caller, &slug).await?, json),
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(hub: &Hub, args: CreateArgs) -> Result<(), HubError> {
    let draft = Draft {
        owner: args.owner,
        title: args.title,
        description: args.description,
        theme: args.theme,
        visibility: args.visibility,
    };
    let made = collections::create(hub, &Caller::System, &draft).await?;
    if args.json {
        println!("{}", described(&made));
    } else {
        println!("made `{0}`; put something into it with `acervo collection add {0} NAMESPACE/NAME`", made.slug());
    }
    Ok(())
}

async fn list(hub: &Hub, owner: Option<String>, as_json: bool) -> Result<(), HubError> {
    let mut request =
        ListRequest { owners: owner.into_iter().collect(), limit: LIST_LIMIT_MAX, ..ListRequest::default() };
    let mut found = Vec::new();
    loop {
        let page = collections::list(hub, &Caller::System, &request).await?;
        found.extend(page.collections);
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    if as_json {
        println!("{}", Value::Array(found.iter().map(described).collect()));
    } else if found.is_empty() {
        println!("no collections yet; make one with `acervo collection create NAMESPACE TITLE`");
    } else {
        let row = |shown: &Shown| {
            let (title, visibility) = (shown.collection.title.clone(), shown.collection.visibility.as_str().to_owned());
            vec![shown.slug(), title, visibility, shown.collection.updated_at.to_string()]
        };
        print::table(&["COLLECTION", "TITLE", "SEEN BY", "CHANGED"], &found.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}

fn show(shown: &Shown, as_json: bool) {
    if as_json {
        println!("{}", described(shown));
        return;
    }
    println!("{}: {} ({})", shown.slug(), shown.collection.title, shown.collection.visibility.as_str());
    if let Some(description) = &shown.collection.description {
        println!("{description}");
    }
    if shown.items.is_empty() {
        println!("nothing is in it that is served; `acervo collection add` puts something there");
        return;
    }
    let rows: Vec<Vec<String>> = shown
        .items
        .iter()
        .map(|shown| {
            let repo = &shown.summary.repo;
            vec![repo.name.to_string(), repo.kind.to_string(), shown.item.note.clone().unwrap_or_default()]
        })
        .collect();
    print::table(&["REPOSITORY", "TYPE", "NOTE"], &rows);
}

fn described(shown: &Shown) -> Value {
    let items: Vec<Value> = shown
        .items
        .iter()
        .map(|shown| {
            let repo = &shown.summary.repo;
            json!({ "repo": repo.name, "type": repo.kind, "note": shown.item.note })
        })
        .collect();
    json!({
        "slug": shown.slug(),
        "owner": shown.owner.name,
        "title": shown.collection.title,
        "description": shown.collection.description,
        "theme": shown.collection.theme.as_str(),
        "visibility": shown.collection.visibility,
        "updated_at": shown.collection.updated_at,
        "items": items,
    })
}

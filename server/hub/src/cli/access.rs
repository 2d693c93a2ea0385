//! `acervo user` and `acervo token`.

use std::process::ExitCode;

use acervo_core::{Caller, Role};
use acervo_store::db::principals::PrincipalKind;
use clap::{Args, Subcommand};

use crate::app::identity::{self, TokenRequest};
use crate::cli::print;
use crate::context::Hub;
use crate::error::HubError;

/// What to do with users.
#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user with a namespace of its own
    Create(UserCreateArgs),
    /// List all users
    List,
    /// Disable a user: its tokens stop working at once
    Disable {
        /// Name of the user
        name: String,
    },
}

/// A new user.
#[derive(Debug, Args)]
pub(super) struct UserCreateArgs {
    /// Name; also its namespace
    name: String,
    /// Role on the whole hub: reader, writer, maintainer, reviewer, auditor or admin
    #[arg(long)]
    role: Option<Role>,
    /// A program, not a person
    #[arg(long)]
    robot: bool,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; its text is shown once
    Create(TokenCreateArgs),
    /// List all tokens, without their texts
    List,
    /// Revoke a token, by its name or its text
    Revoke {
        /// Name or text of the token
        token: String,
    },
}

/// A new token.
#[derive(Debug, Args)]
pub(super) struct TokenCreateArgs {
    /// What the token may do at most: reader, writer, maintainer, reviewer, auditor or admin
    #[arg(long)]
    role: Role,
    /// Name of the token; without `--user` also of the robot that is made for it
    #[arg(long)]
    name: String,
    /// User it belongs to
    #[arg(long)]
    user: Option<String>,
    /// Days after which it ends by itself
    #[arg(long, value_name = "DAYS")]
    expires_days: Option<u32>,
    /// Print the token alone
    #[arg(long)]
    quiet: bool,
}

/// Runs `acervo user ..`.
pub(super) async fn run_user(hub: &Hub, command: UserCommand) -> Result<ExitCode, HubError> {
    let caller = Caller::System;
    match command {
        UserCommand::Create(args) => {
            let kind = if args.robot { PrincipalKind::Robot } else { PrincipalKind::Person };
            let user = identity::create_user(hub, &caller, &args.name, kind, args.role).await?;
            println!(
                "user `{0}` made; give them a token with `acervo token create --user {0} --role reader --name laptop`",
                user.name
            );
        }
        UserCommand::List => {
            let rows: Vec<Vec<String>> = identity::users(hub, &caller)
                .await?
                .into_iter()
                .map(|user| {
                    let kind = match user.kind {
                        PrincipalKind::Person => "person",
                        PrincipalKind::Robot => "robot",
                        PrincipalKind::System => "system",
                    };
                    let state = if user.disabled_at.is_some() { "disabled" } else { "active" };
                    vec![user.name, kind.to_owned(), state.to_owned()]
                })
                .collect();
            print::table(&["name", "kind", "state"], &rows);
        }
        UserCommand::Disable { name } => {
            identity::disable_user(hub, &caller, &name).await?;
            println!("user `{name}` disabled; none of its tokens works any more");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `acervo token ..`.
pub(super) async fn run_token(hub: &Hub, command: TokenCommand) -> Result<ExitCode, HubError> {
    let caller = Caller::System;
    match command {
        TokenCommand::Create(args) => {
            let expires_at = args.expires_days.map(|days| hub.now().plus_seconds(i64::from(days) * 24 * 3600));
            let request = TokenRequest { name: args.name, role: args.role, user: args.user, expires_at };
            let fresh = identity::create_token(hub, &caller, &request).await?;
            if args.quiet {
                println!("{}", fresh.text);
            } else {
                println!("{}\n\nIt belongs to `{}` and is shown this once.", fresh.text, fresh.principal);
            }
        }
        TokenCommand::List => {
            let now = hub.now();
            let rows: Vec<Vec<String>> = identity::tokens(hub, &caller)
                .await?
                .into_iter()
                .map(|listed| {
                    let token = listed.token;
                    let state = match (token.revoked_at, token.expires_at) {
                        (Some(_), _) => "revoked",
                        (None, Some(end)) if end <= now => "expired",
                        _ => "active",
                    };
                    let ends = token.expires_at.map_or_else(|| "never".to_owned(), |end| end.to_string());
                    vec![
                        token.name,
                        listed.principal,
                        token.cap.to_string(),
                        format!("…{}", token.hint),
                        state.to_owned(),
                        ends,
                    ]
                })
                .collect();
            print::table(&["name", "user", "role", "ends in", "state", "expires"], &rows);
        }
        TokenCommand::Revoke { token } => {
            let count = identity::revoke_token(hub, &caller, &token).await?;
            println!("{count} revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}

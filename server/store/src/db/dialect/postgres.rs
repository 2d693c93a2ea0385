//! Opening a Postgres database: waiting for it, checking that it fits, one pool that writes and one that cannot.
//!
//! Nothing but the configuration decides where a connection leads. The driver would take what an address leaves out from
//! `PGHOST`, `PGPASSWORD` and their kin, so an address must be complete, and variables that cannot be overruled are
//! refused.

use std::time::Duration;

use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::time::Instant;

use super::not_opened;
use crate::db::connect::{DatabaseConfig, Tls};
use crate::error::StoreError;

/// Oldest server that is used.
const VERSION_MIN: u32 = 15;

/// How an address is written, for messages.
const EXAMPLE: &str = "postgres://user@host/acervo";

/// Port of an address that names none.
const DEFAULT_PORT: u16 = 5432;

/// Wait before the second look for a database that is not there yet; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest wait between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a statement waits for a row that another transaction holds. Theirs are short.
const LOCK_TIMEOUT_SECONDS: u64 = 30;

/// How long a transaction may be open without a statement. A process that was stopped within one would keep its rows
/// locked for all others.
const IDLE_TRANSACTION_SECONDS: u64 = 60;

/// Age at which a connection is replaced, so that load comes back to a server that came back.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a connection is kept for nothing.
const IDLE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The options a complete address stands for.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The URL may hold a password: never repeated in a message.
    let wrong = |what: &str| StoreError::Url(format!("`database.url` {what}; write it like `{EXAMPLE}`"));
    let rest = url.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    if rest.contains(['?', '#']) {
        return Err(StoreError::Url(
            "`database.url` has parameters, which are not understood here; use `database.tls`, `database.ca_file` and \
             the other keys of `[database]`, and write a socket like `postgres://user@%2Frun%2Fpostgresql/acervo`"
                .to_owned(),
        ));
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if credentials.is_empty() || credentials.starts_with(':') {
        return Err(wrong("names no user"));
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(wrong("names no host"));
    }
    if database.is_empty() {
        return Err(wrong("names no database"));
    }
    let mut options: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| wrong(&format!("is not understood ({error})")))?;
    let names_a_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !names_a_port {
        options = options.port(DEFAULT_PORT);
    }
    if !credentials.contains(':') {
        options = options.password("");
    }
    Ok(options)
}

/// Where the options lead, without credentials.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let (user, database) = (options.get_username(), options.get_database().unwrap_or_default());
    match options.get_socket() {
        Some(socket) => format!("postgres://{user}@{}/{database}", socket.display()),
        None => format!("postgres://{user}@{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

/// Waits for the database, checks that it fits, and opens a pool for writing and one for reading.
///
/// Two pools, so that a task that holds a transaction and asks a question meanwhile never waits for another such task.
pub(super) async fn connect(
    config: &DatabaseConfig,
    options: PgConnectOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    refuse_variables()?;
    let options = configured(config, options)?;
    let mut connection = wait_for(config, &options).await?;
    check(&mut connection, &place(&options)).await?;
    // Nothing hangs on its farewell.
    let _ = connection.close().await;
    let (write_max, read_max) = pool_sizes(config.connections_max);
    let timeouts = format!(
        "SET statement_timeout = '{}s'; SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'; \
         SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_SECONDS}s'; SET jit = off",
        config.statement_timeout_seconds
    );
    let read_only = format!("{timeouts}; SET default_transaction_read_only = on");
    let writer = pool(write_max, config.write_wait(), timeouts).connect_lazy_with(options.clone());
    let reader = pool(read_max, config.read_wait(), read_only).connect_lazy_with(options);
    Ok((SqlxPostgresConnector::from_sqlx_postgres_pool(writer), SqlxPostgresConnector::from_sqlx_postgres_pool(reader)))
}

/// How many connections write and how many read: two and three of five, at least one each.
fn pool_sizes(connections_max: u32) -> (u32, u32) {
    let write = (connections_max.saturating_mul(2) / 5).max(1);
    (write, connections_max.saturating_sub(write).max(1))
}

/// A pool that survives its server: a connection is tried before it is used, and replaced from time to time.
fn pool(connections_max: u32, wait: Duration, settings: String) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(wait)
        .max_lifetime(LIFETIME)
        .idle_timeout(IDLE_LIFETIME)
        .test_before_acquire(true)
        .after_connect(move |connection, _| {
            // Not in the start-up packet: poolers in between refuse what they do not know there.
            let settings = AssertSqlSafe(settings.clone());
            Box::pin(async move { connection.execute(sqlx::raw_sql(settings)).await.map(|_| ()) })
        })
}

/// Variables that the driver honours and nothing can overrule.
fn refuse_variables() -> Result<(), StoreError> {
    let untouched = PgConnectOptions::new_without_pgpass();
    let url = untouched.to_url_lossy();
    let is_set = |name: &str| url.query_pairs().any(|(key, _)| key == name);
    let found = [
        ("PGOPTIONS", untouched.get_options().is_some()),
        ("PGSSLROOTCERT", is_set("sslrootcert")),
        ("PGSSLCERT", is_set("sslcert")),
        ("PGSSLKEY", is_set("sslkey")),
    ];
    match found.iter().find(|(_, is_set)| *is_set) {
        None => Ok(()),
        Some((name, _)) => Err(StoreError::Url(format!(
            "the variable `{name}` is set and would change how the database is used; unset it, and use the keys of \
             `[database]`"
        ))),
    }
}

/// The address, with what else is configured.
fn configured(config: &DatabaseConfig, mut options: PgConnectOptions) -> Result<PgConnectOptions, StoreError> {
    if let Some(file) = &config.password_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let file = file.display();
            StoreError::Url(format!("`database.password_file` names `{file}`, which cannot be read ({error})"))
        })?;
        options = options.password(text.trim_end_matches(['\r', '\n']));
    }
    let verifies = matches!(config.tls, Tls::VerifyCa | Tls::VerifyFull);
    if let Some(file) = &config.ca_file {
        let shown = file.display();
        if !verifies {
            return Err(StoreError::Url(
                "`database.ca_file` is set, but `database.tls` verifies nothing; set it to `verify-full`".to_owned(),
            ));
        }
        let certificates = std::fs::read(file).map_err(|error| {
            StoreError::Url(format!("`database.ca_file` names `{shown}`, which cannot be read ({error})"))
        })?;
        if !String::from_utf8_lossy(&certificates).contains("-----BEGIN CERTIFICATE-----") {
            return Err(StoreError::Url(format!(
                "`database.ca_file` names `{shown}`, which holds no certificate in PEM"
            )));
        }
        options = options.ssl_root_cert_from_pem(certificates);
    }
    let mode = match config.tls {
        Tls::Disable => PgSslMode::Disable,
        Tls::Prefer => PgSslMode::Prefer,
        Tls::Require => PgSslMode::Require,
        Tls::VerifyCa => PgSslMode::VerifyCa,
        Tls::VerifyFull => PgSslMode::VerifyFull,
    };
    Ok(options.ssl_mode(mode).application_name("acervo"))
}

/// A first connection, as soon as there is one; fails at once where waiting mends nothing.
async fn wait_for(config: &DatabaseConfig, options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let place = place(options);
    let deadline = Instant::now() + Duration::from_secs(config.start_timeout_seconds);
    let longest = Duration::from_secs(config.connect_timeout_seconds.max(1));
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match tokio::time::timeout(longest, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer")),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !waiting_may_mend(&error) {
            let advice = advice(&error, options);
            return Err(not_opened(place, advice, error));
        }
        tracing::warn!("the database `{place}` does not answer yet ({error}); trying for {} s more", left.as_secs());
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether an error of a first connection says that the server is not there yet.
fn waiting_may_mend(error: &sqlx::Error) -> bool {
    match error {
        // TLS that fails to verify comes as invalid data.
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::InvalidData,
        sqlx::Error::Database(error) => {
            // Too many connections; shutting down, crashed, starting.
            error.code().is_some_and(|code| matches!(code.as_ref(), "53300" | "57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}

/// What to do about an error of a first connection.
fn advice(error: &sqlx::Error, options: &PgConnectOptions) -> String {
    let (user, database) = (options.get_username(), options.get_database().unwrap_or_default());
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("3D000") => format!("make it on its server with `createdb --owner={user} {database}`"),
            Some("28P01" | "28000") => {
                "check user and password in `database.url` or `database.password_file`, and the server's `pg_hba.conf`"
                    .to_owned()
            }
            _ => "check `database.url` and the log of its server".to_owned(),
        },
        sqlx::Error::Tls(_) => "check `database.tls` and whether the server offers TLS".to_owned(),
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            "check `database.tls`, `database.ca_file` and the server's certificate".to_owned()
        }
        _ => "check `database.url` and that the database is up".to_owned(),
    }
}

/// Refuses a server that is too old, and a database that cannot hold every text.
async fn check(connection: &mut PgConnection, place: &str) -> Result<(), StoreError> {
    let version = connection.server_version_num().unwrap_or_default() / 10_000;
    if version < VERSION_MIN {
        return Err(StoreError::Unfit {
            place: place.to_owned(),
            why: format!("its server is Postgres {version}, and {VERSION_MIN} is the oldest that is used; upgrade it"),
        });
    }
    let asked = sqlx::query_scalar("SELECT current_setting('server_encoding')").fetch_one(connection).await;
    let encoding: String =
        asked.map_err(|error| not_opened(place.to_owned(), "look into the log of its server".to_owned(), error))?;
    if encoding != "UTF8" {
        return Err(StoreError::Unfit {
            place: place.to_owned(),
            why: format!("its encoding is {encoding}; make it with `createdb --encoding=UTF8 --template=template0`"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parse, place, pool_sizes};

    #[test]
    fn both_pools_have_connections_and_together_no_more_than_allowed() {
        assert_eq!(pool_sizes(0), (1, 1));
        assert_eq!(pool_sizes(1), (1, 1));
        for connections_max in 2..200 {
            let (write, read) = pool_sizes(connections_max);
            assert!(write >= 1 && read >= write && write + read == connections_max, "{connections_max}");
        }
    }

    #[test]
    fn an_address_must_be_complete_so_that_nothing_else_completes_it() {
        for incomplete in
            ["postgres://host/db", "postgres://@host/db", "postgres://:secret@host/db", "postgres://user@/db"]
        {
            let error = parse(incomplete).unwrap_err().to_string();
            assert!(error.contains("names no") && !error.contains("secret"), "{incomplete}: {error}");
        }
        assert!(parse("postgres://user@host").unwrap_err().to_string().contains("names no database"));
        let error = parse("postgres://user:secret@host/db?sslmode=disable").unwrap_err().to_string();
        assert!(error.contains("`database.tls`") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_place_shows_host_port_and_database_or_the_socket() {
        let shown = |url: &str| place(&parse(url).unwrap());
        assert_eq!(shown("postgres://a:b@db.example.org/hub"), "postgres://a@db.example.org:5432/hub");
        assert_eq!(shown("postgresql://a@[::1]:6000/hub"), "postgres://a@[::1]:6000/hub");
        assert_eq!(shown("postgres://a@%2Frun%2Fpostgresql/hub"), "postgres://a@/run/postgresql/hub");
    }
}

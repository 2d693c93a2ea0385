//! Two servers measured by turns, so that what the machine does beside meets both.

use anyhow::{Context as _, Result};

use crate::load::Answers;
use crate::machine::Meter;
use crate::report::{Row, Run};
use crate::say;
use crate::servers::Server;

/// The servers that are compared.
pub(crate) struct Pair {
    /// Ours.
    pub(crate) acervo: Server,
    /// The yardstick.
    pub(crate) nginx: Server,
}

/// Measures Acervo and nginx in turn, as many rounds as asked for; who comes first changes.
pub(crate) fn by_turns<T>(
    pair: &Pair,
    targets: &[T; 2],
    what: &str,
    clients: usize,
    rounds: usize,
    aim: &'static str,
    measure: impl Fn(&T) -> Result<Answers>,
) -> Result<Row> {
    let mut row = Row { what: what.to_owned(), clients, aim, ..Row::default() };
    for number in 0..rounds {
        say(&format!("{what}, {clients} clients, round {}", number + 1));
        for turn in 0..2 {
            let which = (number + turn) % 2;
            let (server, runs) =
                if which == 0 { (&pair.acervo, &mut row.acervo) } else { (&pair.nginx, &mut row.nginx) };
            let meter = Meter::start(&server.pids())?;
            let answers =
                measure(&targets[which]).with_context(|| format!("{what}, {}", ["Acervo", "nginx"][which]))?;
            let usage = meter.finish()?;
            if let Some(failure) = &answers.failure {
                say(&format!("{} requests failed, the first: {failure}", answers.failures));
            }
            runs.push(Run { answers, usage });
        }
    }
    Ok(row)
}

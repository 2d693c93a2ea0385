//! How a running sync is shown: bars on a terminal, plain lines elsewhere, nothing for machines.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::app::sync::{Progress, ProgressView};
use crate::cli::print;
use crate::error::HubError;

/// Most files that get a bar of their own.
const FILE_BARS_MAX: usize = 8;

/// Time between two looks at how far something has come.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// Time between two plain lines.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Where progress goes.
#[derive(Debug)]
pub(super) enum Display {
    /// A bar in total and one a file.
    Bars(Box<Bars>),
    /// A line when something changes, and every few seconds.
    Lines(Lines),
    /// Nowhere.
    Silent,
}

impl Display {
    /// The display that fits standard error, for the repository `name`.
    pub(super) fn new(name: &str, silent: bool) -> Display {
        if silent {
            Display::Silent
        } else if std::io::stderr().is_terminal() {
            Display::Bars(Box::new(Bars::new(name)))
        } else {
            Display::Lines(Lines::new(name))
        }
    }

    /// The same, for one of several that are shown together.
    pub(super) fn among(group: &MultiProgress, name: &str) -> Display {
        if std::io::stderr().is_terminal() {
            Display::Bars(Box::new(Bars::among(group.clone(), name)))
        } else {
            Display::Lines(Lines::new(name))
        }
    }

    /// Leaves a line above what is shown.
    pub(super) fn say(&self, text: &str) {
        match self {
            // A line that cannot be shown is no reason to stop.
            Display::Bars(bars) => drop(bars.group.println(text)),
            Display::Lines(_) => eprintln!("{text}"),
            Display::Silent => {}
        }
    }

    /// Shows how far it has come.
    pub(super) fn show(&mut self, view: &ProgressView) {
        match self {
            Display::Bars(bars) => bars.show(view),
            Display::Lines(lines) => lines.show(view),
            Display::Silent => {}
        }
    }

    /// Leaves one last line.
    pub(super) fn finish(&mut self, text: &str) {
        match self {
            Display::Bars(bars) => bars.finish(text),
            Display::Lines(lines) => eprintln!("{}: {text}", lines.name),
            Display::Silent => {}
        }
    }
}

/// Shows how far some work has come until it is done.
pub(super) async fn shown<T>(
    name: &str,
    silent: bool,
    progress: &Progress,
    work: impl Future<Output = Result<T, HubError>>,
) -> Result<T, HubError> {
    let mut display = Display::new(name, silent);
    let mut looks = tokio::time::interval(LOOK_PERIOD);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                display.finish(if done.is_ok() { "done" } else { "failed" });
                return done;
            }
            _ = looks.tick() => display.show(&progress.view()),
        }
    }
}

/// Bars on a terminal.
#[derive(Debug)]
pub(super) struct Bars {
    group: MultiProgress,
    total: ProgressBar,
    files: HashMap<String, ProgressBar>,
    name: String,
}

/// A template of ours; one that did not parse would show as indicatif's default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}

impl Bars {
    fn new(name: &str) -> Bars {
        Bars::among(MultiProgress::new(), name)
    }

    fn among(group: MultiProgress, name: &str) -> Bars {
        let total = group.add(ProgressBar::new(0));
        total.set_style(style("{spinner} {prefix:.bold} {msg}"));
        total.set_prefix(name.to_owned());
        total.enable_steady_tick(Duration::from_millis(100));
        Bars { group, total, files: HashMap::new(), name: name.to_owned() }
    }

    fn show(&mut self, view: &ProgressView) {
        self.total.set_message(view.phase.clone());
        if view.bytes_total > 0 {
            self.total.set_style(style(
                "{spinner} {prefix:.bold} {bar:24.cyan} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} {msg}",
            ));
            self.total.set_length(view.bytes_total);
            self.total.set_position(view.bytes_done);
            self.total.set_message(format!("{}/{} files", view.files_done, view.files_total));
        }
        self.files.retain(|path, bar| {
            let active = view.active.iter().any(|file| file.path == *path);
            if !active {
                bar.finish_and_clear();
            }
            active
        });
        for file in &view.active {
            if !self.files.contains_key(&file.path) && self.files.len() < FILE_BARS_MAX {
                let bar = self.group.add(ProgressBar::new(file.total));
                bar.set_style(style("    {bar:20.cyan/dim} {decimal_bytes:>10} {wide_msg}"));
                bar.set_message(file.path.clone());
                self.files.insert(file.path.clone(), bar);
            }
            if let Some(bar) = self.files.get(&file.path) {
                bar.set_position(file.done);
            }
        }
    }

    fn finish(&mut self, text: &str) {
        for bar in self.files.values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
        // The group forgets its bars, so this line stays.
        let _ = self.group.println(format!("  {}: {text}", self.name));
    }
}

/// Plain lines.
#[derive(Debug)]
pub(super) struct Lines {
    name: String,
    phase: String,
    last: Instant,
    started: Option<Instant>,
}

impl Lines {
    fn new(name: &str) -> Lines {
        Lines { name: name.to_owned(), phase: String::new(), last: Instant::now(), started: None }
    }

    fn show(&mut self, view: &ProgressView) {
        if view.phase != self.phase && !view.phase.is_empty() {
            eprintln!("{}: {}", self.name, view.phase);
            self.phase.clone_from(&view.phase);
            self.last = Instant::now();
        }
        let started = *self.started.get_or_insert_with(Instant::now);
        if view.bytes_total > 0 && view.bytes_done < view.bytes_total && self.last.elapsed() >= LINE_PERIOD {
            eprintln!("{}: {}", self.name, line(view, started.elapsed()));
            self.last = Instant::now();
        }
    }
}

/// Files, bytes, rate and the time that is left.
fn line(view: &ProgressView, elapsed: Duration) -> String {
    let rate = view.bytes_done * 1000 / u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let left = view.bytes_total.saturating_sub(view.bytes_done).checked_div(rate);
    let eta = left.map_or_else(|| "unknown time".to_owned(), |seconds| format!("{seconds} s"));
    format!(
        "{}/{} files, {} of {}, {}/s, {eta} left",
        view.files_done,
        view.files_total,
        print::size(view.bytes_done),
        print::size(view.bytes_total),
        print::size(rate)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::line;
    use crate::app::sync::ProgressView;

    #[test]
    fn a_line_tells_rate_and_time_left() {
        let view = ProgressView {
            files_total: 4,
            files_done: 1,
            bytes_total: 10_000_000,
            bytes_done: 4_000_000,
            ..ProgressView::default()
        };
        assert_eq!(line(&view, Duration::from_secs(2)), "1/4 files, 4.00 MB of 10.0 MB, 2.00 MB/s, 3 s left");
        let idle = ProgressView { bytes_done: 0, ..view };
        assert!(line(&idle, Duration::from_secs(2)).ends_with("unknown time left"));
    }
}

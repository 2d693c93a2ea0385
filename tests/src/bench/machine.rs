//! What `/proc` tells: processor time, anonymous memory, and the facts about the machine that a table needs beside it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Clock ticks in a second; Linux shows processor time in these on every architecture.
const TICKS: f64 = 100.0;

/// Time between two looks at memory.
const SAMPLE_PERIOD: Duration = Duration::from_millis(10);

/// What a run took of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds on the wall.
    pub(crate) wall: f64,
    /// Processor seconds of the measured processes.
    pub(crate) server: f64,
    /// Processor seconds of this process: its clients.
    pub(crate) clients: f64,
    /// Processor seconds of everything else on the machine.
    pub(crate) others: f64,
    /// Most anonymous memory of the measured processes at one time, in bytes.
    pub(crate) anonymous: u64,
}

/// A run that is being measured.
pub(crate) struct Meter {
    pids: Vec<u32>,
    started: Instant,
    before: Counters,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<u64>,
}

/// Processor seconds so far.
#[derive(Clone, Copy, Debug)]
struct Counters {
    server: f64,
    clients: f64,
    machine: f64,
}

impl Meter {
    /// Begins to measure these processes.
    pub(crate) fn start(pids: &[u32]) -> Result<Meter> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sampled, stopped) = (pids.to_vec(), Arc::clone(&stop));
        let sampler = thread::spawn(move || {
            let mut most = 0;
            loop {
                let last = stopped.load(Ordering::Relaxed);
                most = most.max(sampled.iter().map(|pid| anonymous(*pid)).sum());
                if last {
                    return most;
                }
                thread::park_timeout(SAMPLE_PERIOD);
            }
        });
        Ok(Meter { pids: pids.to_vec(), started: Instant::now(), before: counters(pids)?, stop, sampler })
    }

    /// Ends the run; the processes must be alive still.
    pub(crate) fn finish(self) -> Result<Usage> {
        let wall = self.started.elapsed().as_secs_f64();
        let after = counters(&self.pids)?;
        let (server, clients) = (after.server - self.before.server, after.clients - self.before.clients);
        let others = (after.machine - self.before.machine - server - clients).max(0.0);
        Ok(Usage { wall, server, clients, others, anonymous: self.anonymous() })
    }

    /// Stops looking at memory and returns the most that was seen.
    fn anonymous(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.sampler.thread().unpark();
        self.sampler.join().unwrap_or_default()
    }
}

/// Runs a command to its end and measures it; one that fails is an error with what it said.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<Usage> {
    let said = File::create(log).with_context(|| format!("creating `{}`", log.display()))?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
    let children_before = children_seconds()?;
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
    let meter = Meter::start(&[child.id()])?;
    let status = child.wait()?;
    let wall = started.elapsed().as_secs_f64();
    let anonymous = meter.anonymous();
    ensure!(status.success(), "{command:?} failed: {}", fs::read_to_string(log).unwrap_or_default());
    // What a child took is known exactly once it has been waited for.
    let server = children_seconds()? - children_before;
    Ok(Usage { wall, server, anonymous, ..Usage::default() })
}

/// Processor seconds of these processes so far.
pub(crate) fn seconds_of(pids: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for pid in pids {
        sum += times(&format!("/proc/{pid}/stat"), &[11, 12])?;
    }
    Ok(sum)
}

/// Processor seconds of all children that have been waited for.
fn children_seconds() -> Result<f64> {
    times("/proc/self/stat", &[13, 14])
}

fn own_seconds() -> Result<f64> {
    times("/proc/self/stat", &[11, 12])
}

fn counters(pids: &[u32]) -> Result<Counters> {
    Ok(Counters { server: seconds_of(pids)?, clients: own_seconds()?, machine: machine_seconds()? })
}

/// Busy seconds of all processors: everything but idle and waiting for a disk.
fn machine_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("reading `/proc/stat`")?;
    let numbers: Vec<f64> = stat.lines().next().unwrap_or_default().split(' ').filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    Ok([0, 1, 2, 5, 6].iter().filter_map(|at| numbers.get(*at)).sum::<f64>() / TICKS)
}

/// The sum of some fields of a `stat` file, counted after the name of the program, in seconds.
fn times(path: &str, fields: &[usize]) -> Result<f64> {
    let text = fs::read_to_string(path).with_context(|| format!("reading `{path}`"))?;
    // The name may hold spaces and brackets; the last bracket ends it.
    let after = text.rsplit(") ").next().unwrap_or_default();
    let numbers: Vec<&str> = after.split(' ').collect();
    let ticks: f64 = fields.iter().filter_map(|at| numbers.get(*at)?.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

/// Anonymous memory of a process in bytes; nothing once it has ended.
fn anonymous(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Processes that this one has started, the direct ones.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Processors that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The facts beside a table, one a line.
pub(crate) fn facts(folder: &Path) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim_matches(|c: char| c.is_whitespace() || c == ':').to_owned()
    };
    let memory = after(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").trim().parse::<f64>();
    vec![
        format!("{} cores, {}", cores(), after(&read("/proc/cpuinfo"), "model name")),
        format!("{:.0} GiB memory", memory.unwrap_or_default() / 1024.0 / 1024.0),
        format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("{} at `{}`", filesystem(&read("/proc/self/mounts"), folder), folder.display()),
        format!("load average {} at the start", read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")),
    ]
}

/// Type and device of the filesystem that holds a folder.
fn filesystem(mounts: &str, folder: &Path) -> String {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?, words.next()?))
    });
    let best = mounts.filter(|(_, at, _)| folder.starts_with(at)).max_by_key(|(_, at, _)| at.len());
    best.map_or_else(|| "unknown filesystem".to_owned(), |(device, _, kind)| format!("{kind} on {device}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::filesystem;

    #[test]
    fn the_innermost_mount_holds_a_folder() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/deep xfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/deep/x")), "xfs on /dev/b");
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), "tmpfs on tmpfs");
        assert_eq!(filesystem(mounts, Path::new("/var")), "ext4 on /dev/a");
    }
}

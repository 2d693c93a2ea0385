//! When an order is due, how urgent it is, and in which hours its bytes may move.

use std::str::FromStr;

use chrono::{DateTime, Datelike, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::checked_text;
use crate::time::Timestamp;

checked_text! {
    /// A cron expression of five fields: minute, hour, day of the month, month, day of the week.
    pub Cron, check_cron;
    /// A name of the time zone database, such as `Europe/Berlin`.
    pub Zone, check_zone;
    /// A time of day, as in `22:30`; `24:00` is the end of the day.
    pub TimeOfDay, check_time;
}

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

fn parse_cron(text: &str) -> Result<croner::Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| error.to_string())
}

fn check_cron(text: &str) -> Result<(), String> {
    let cron = parse_cron(text).map_err(|why| {
        format!("`{text}` is not a schedule: {why}; write minute, hour, day, month, weekday as in `0 3 * * *`")
    })?;
    let start = DateTime::UNIX_EPOCH;
    let comes = cron.find_next_occurrence(&start, false).map(drop);
    comes.map_err(|_| format!("`{text}` is a schedule that is never due; write one as in `0 3 * * *`"))
}

fn check_zone(text: &str) -> Result<(), String> {
    let known = Tz::from_str(text).map(drop);
    known.map_err(|_| format!("`{text}` is not a time zone; write its name as in `Europe/Berlin`, or `UTC`"))
}

fn check_time(text: &str) -> Result<(), String> {
    minutes(text)
        .map(drop)
        .ok_or_else(|| format!("`{text}` is not a time of day; write hours and minutes as in `22:30`"))
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY_MINUTES).then_some(all)
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Days in the order of `chrono`'s numbers from Monday.
const DAYS: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

/// Hours in which bytes may move; from an hour to an earlier one goes past midnight and counts to the day it begins on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Days it begins on; none stands for all.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends.
    pub to: TimeOfDay,
    /// Most bytes a second within it; absent for no limit of its own.
    #[serde(default, with = "bytes")]
    pub bytes_per_second: Option<u64>,
}

mod bytes {
    //! An optional size, read as people write it.

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::order::ByteSize;

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<ByteSize>::deserialize(deserializer)?.map(|size| size.0))
    }
}

impl Window {
    fn is_open(&self, day: Day, minute: u16) -> bool {
        let on = |day: Day| self.days.is_empty() || self.days.contains(&day);
        let (Some(from), Some(to)) = (minutes(self.from.as_str()), minutes(self.to.as_str())) else { return false };
        if from < to {
            return on(day) && (from..to).contains(&minute);
        }
        let before = DAYS[(DAYS.iter().position(|known| *known == day).unwrap_or(0) + 6) % 7];
        (on(day) && minute >= from) || (on(before) && minute < to)
    }
}

/// When, how urgent, and in which hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// When it is due; absent for what is synced only by hand.
    pub schedule: Option<Cron>,
    /// Time zone of the schedule and of the windows.
    pub time_zone: Zone,
    /// Most seconds by which each repository is late, so that not all come at once.
    pub jitter_seconds: u32,
    /// Larger goes first.
    pub priority: i32,
    /// When bytes may move; none stands for always.
    pub windows: Vec<Window>,
}

impl Default for Timing {
    fn default() -> Self {
        let time_zone = Zone("UTC".to_owned());
        Timing { schedule: None, time_zone, jitter_seconds: 0, priority: 0, windows: Vec::new() }
    }
}

impl Timing {
    /// The first time after `after` at which `subject` is due. Its lateness is its own and always the same.
    pub fn next_run(&self, subject: &str, after: Timestamp) -> Option<Timestamp> {
        let cron = parse_cron(self.schedule.as_ref()?.as_str()).ok()?;
        let late = lateness(subject, self.jitter_seconds);
        let from = self.local(after.plus_seconds(-late))?;
        let due: Timestamp = cron.find_next_occurrence(&from, false).ok()?.with_timezone(&Utc).into();
        Some(due.plus_seconds(late))
    }

    /// The window that is open now; `Ok(None)` if bytes may always move, `Err` if they may not now.
    pub fn window_at(&self, now: Timestamp) -> Result<Option<&Window>, Closed> {
        if self.windows.is_empty() {
            return Ok(None);
        }
        let local = self.local(now).ok_or(Closed)?;
        let day = DAYS[local.weekday().num_days_from_monday() as usize % 7];
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(0);
        self.windows.iter().find(|window| window.is_open(day, minute)).map(Some).ok_or(Closed)
    }

    /// When a window is open next, from `now` on; `None` if none ever is.
    pub fn next_open(&self, now: Timestamp) -> Option<Timestamp> {
        const MINUTE: i64 = 60_000;
        if self.window_at(now).is_ok() {
            return Some(now);
        }
        // Windows begin at full minutes of a week; a day more, since clocks are set forward and back.
        let first = now.as_millis() - now.as_millis().rem_euclid(MINUTE) + MINUTE;
        let minutes = (0..8 * i64::from(DAY_MINUTES)).map(|minute| Timestamp::from_millis(first + minute * MINUTE));
        minutes.into_iter().find(|minute| self.window_at(*minute).is_ok())
    }

    fn local(&self, at: Timestamp) -> Option<DateTime<Tz>> {
        let zone = Tz::from_str(self.time_zone.as_str()).ok()?;
        Utc.timestamp_millis_opt(at.as_millis()).single().map(|at| at.with_timezone(&zone))
    }
}

/// No window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Seconds by which `subject` is late, of at most `jitter_seconds`.
fn lateness(subject: &str, jitter_seconds: u32) -> i64 {
    let digest = Sha256::digest(subject.as_bytes());
    let draw = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    i64::from(u64::from(draw).rem_euclid(u64::from(jitter_seconds) + 1) as u32)
}

#[cfg(test)]
mod tests {
    use super::{Closed, Cron, Day, TimeOfDay, Timing, Window, Zone};
    use crate::time::Timestamp;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn nightly(zone: &str, jitter_seconds: u32) -> Timing {
        let (schedule, time_zone) = (Some("30 2 * * *".parse().unwrap()), zone.parse().unwrap());
        Timing { schedule, time_zone, jitter_seconds, ..Timing::default() }
    }

    #[test]
    fn a_night_is_that_of_the_time_zone_also_when_clocks_change() {
        let timing = nightly("Europe/Berlin", 0);
        let next = |after: &str| timing.next_run("x", at(after)).unwrap().to_string();
        assert_eq!(next("2026-01-10T01:29:59Z"), "2026-01-10T01:30:00.000Z");
        assert_eq!(next("2026-01-10T01:30:00Z"), "2026-01-11T01:30:00.000Z");
        assert_eq!(next("2026-07-10T12:00:00Z"), "2026-07-11T00:30:00.000Z");
        // Half past two does not exist on the night of the change; it is not skipped, and comes once in autumn.
        assert!(next("2026-03-28T12:00:00Z").starts_with("2026-03-29T01:"));
        assert!(next("2026-10-24T12:00:00Z").starts_with("2026-10-25T0"));
        assert_eq!(next("2026-10-25T02:00:00Z"), "2026-10-26T01:30:00.000Z");
    }

    #[test]
    fn lateness_is_bounded_spread_and_stays_the_same() {
        let timing = nightly("UTC", 3600);
        let base = at("2026-01-10T02:30:00Z").as_millis();
        let late = |name: &str| {
            let due = timing.next_run(name, at("2026-01-10T02:00:00Z")).unwrap();
            let again = timing.next_run(name, due).unwrap();
            assert_eq!(again.as_millis() - due.as_millis(), 24 * 3600 * 1000, "{name}");
            (due.as_millis() - base) / 1000
        };
        let all: Vec<i64> = (0..40).map(|n| late(&format!("acme/{n}"))).collect();
        assert!(all.iter().all(|late| (0..=3600).contains(late)), "{all:?}");
        assert!(all.iter().any(|late| *late < 1200) && all.iter().any(|late| *late > 2400), "{all:?}");
        assert_eq!(Timing::default().next_run("x", at("2026-01-10T02:00:00Z")), None);
    }

    #[test]
    fn windows_go_past_midnight_and_belong_to_the_day_they_begin_on() {
        let window = Window {
            days: vec![Day::Fri],
            from: "22:00".parse().unwrap(),
            to: "06:00".parse().unwrap(),
            bytes_per_second: Some(5),
        };
        let timing = Timing { windows: vec![window.clone()], ..Timing::default() };
        // 2026-01-09 is a Friday.
        for (time, open) in [
            ("2026-01-09T21:59:59Z", false),
            ("2026-01-09T22:00:00Z", true),
            ("2026-01-10T05:59:00Z", true),
            ("2026-01-10T06:00:00Z", false),
            ("2026-01-10T22:30:00Z", false),
        ] {
            assert_eq!(timing.window_at(at(time)), if open { Ok(Some(&window)) } else { Err(Closed) }, "{time}");
        }
        assert_eq!(Timing::default().window_at(at("2026-01-09T00:00:00Z")), Ok(None));

        let opens = |now: &str| timing.next_open(at(now)).unwrap().to_string();
        assert_eq!(opens("2026-01-10T06:00:00Z"), "2026-01-16T22:00:00.000Z");
        assert_eq!(opens("2026-01-09T12:34:56Z"), "2026-01-09T22:00:00.000Z");
        assert_eq!(opens("2026-01-09T23:00:01Z"), "2026-01-09T23:00:01.000Z");
        let never = Window { from: "10:00".parse().unwrap(), to: "10:00".parse().unwrap(), ..window };
        let all_day = Timing { windows: vec![Window { days: Vec::new(), ..never }], ..Timing::default() };
        assert!(all_day.window_at(at("2026-01-10T06:00:00Z")).is_ok(), "from an hour to itself is a whole day");
    }

    #[test]
    fn what_is_never_due_or_nowhere_is_refused() {
        for text in ["", "* * *", "61 * * * *", "0 0 3 * * *", "0 0 30 2 *"] {
            assert!(text.parse::<Cron>().unwrap_err().contains("`0 3 * * *`"), "{text}");
        }
        assert!("Berlin".parse::<Zone>().unwrap_err().contains("Europe/Berlin"));
        for text in ["", "9:00", "24:01", "12:60", "12"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }
}

//! The invariant: a record is a contiguous slice of its topics' log, each message once, or there is an announced gap exactly
//! where the log had lost something.

use std::fmt::Write as _;
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::record::{Event, Place, Record};
use crate::truth::{Life, Published, Truth};

/// What a record that keeps the invariant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages.
    pub messages: usize,
    /// Gaps that were told.
    pub gaps: usize,
    /// Gaps among them where the epoch changed.
    pub new_lives: usize,
}

/// How a record breaks the invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which event of the record; its length if it ends too early.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

/// Checks one record against the truth.
///
/// # Errors
/// The first breach.
pub fn check(record: &Record, truth: &Truth) -> Result<Tally, Breach> {
    let breach = |at, what| Err(Breach { at, what });
    let mut tally = Tally::default();
    let Some(mut place) = record.start else {
        return breach(0, "it never began".into());
    };
    for (at, event) in record.events.iter().enumerate() {
        let step = match event {
            Event::Message {
                at,
                topic,
                number,
                bytes,
            } => {
                tally.messages += 1;
                message(record, truth, place, *at, (*topic, *number, *bytes)).map(|()| *at)
            }
            Event::Gap {
                after,
                resume,
                to_head,
            } => {
                tally.gaps += 1;
                tally.new_lives += usize::from(after.life != resume.life);
                gap(record, truth, place, *after, *resume, *to_head).map(|()| *resume)
            }
        };
        match step {
            Ok(next) => place = next,
            Err(what) => return breach(at, what),
        }
    }
    let last = truth.lives.len() as u32 - 1;
    if place.life != last {
        return breach(
            record.events.len(),
            format!("it ends at {place}, in an earlier life"),
        );
    }
    match next(record, &truth.lives[last as usize], place.offset) {
        Some((offset, _)) => breach(
            record.events.len(),
            format!("it ends at {place}, and {offset} is missing"),
        ),
        None => Ok(tally),
    }
}

/// The first message of the record's topics after an offset.
fn next<'a>(record: &Record, life: &'a Life, after: u64) -> Option<(u64, &'a Published)> {
    let mut later = life.log.range((Excluded(after), Unbounded));
    later
        .find(|(_, message)| record.topics.contains(&message.topic))
        .map(|(offset, message)| (*offset, message))
}

fn message(
    record: &Record,
    truth: &Truth,
    place: Place,
    at: Place,
    (topic, number, bytes): (Option<u16>, u32, u32),
) -> Result<(), String> {
    if at.life != place.life {
        return Err(format!("{at} after {place}: another life, and no gap was told"));
    }
    let life = &truth.lives[at.life as usize];
    match next(record, life, place.offset) {
        None => Err(format!("{at} after {place}: there is no such message")),
        Some((offset, _)) if offset != at.offset && at.offset <= place.offset => Err(format!(
            "{at} after {place}: again, or out of order; {offset} is next"
        )),
        Some((offset, _)) if offset != at.offset => {
            Err(format!("{at} after {place}: {offset} is next and was skipped"))
        }
        Some((_, message)) => {
            let same = (message.number, message.bytes) == (number, bytes)
                && topic.is_none_or(|topic| topic == message.topic);
            if same {
                Ok(())
            } else {
                Err(format!("{at}: {message:?} was published"))
            }
        }
    }
}

fn gap(
    record: &Record,
    truth: &Truth,
    place: Place,
    after: Place,
    resume: Place,
    to_head: bool,
) -> Result<(), String> {
    let told = format!("the gap from {after} to {resume} at {place}");
    if after.life != place.life || after.offset < place.offset {
        return Err(format!("{told} does not begin where the subscriber is"));
    }
    // A cursor may have moved on over what is not the subscriber's; over what is, never.
    let life = &truth.lives[place.life as usize];
    let skipped = life
        .log
        .range((Excluded(place.offset), Included(after.offset)))
        .find(|(_, message)| record.topics.contains(&message.topic));
    if let Some((offset, _)) = skipped {
        return Err(format!("{told}: {offset} was skipped before it"));
    }
    let life = &truth.lives[resume.life as usize];
    let floors = record.topics.iter().map(|topic| life.floors[usize::from(*topic)]);
    let floor = floors.max().unwrap_or(0);
    if resume.life < after.life {
        return Err(format!("{told} goes back to an earlier life"));
    }
    if resume.life == after.life {
        if resume.offset <= after.offset {
            return Err(format!("{told} goes back"));
        }
        if floor <= after.offset {
            return Err(format!("{told}, and nothing was lost after {floor}"));
        }
    }
    if resume.offset <= floor || to_head {
        return Ok(());
    }
    // Who wants the latest is moved to just before a message of its own.
    let before_one = next(record, life, resume.offset).is_some_and(|(offset, _)| offset == resume.offset + 1);
    if record.latest && before_one {
        return Ok(());
    }
    Err(format!(
        "{told} ends beyond what was lost, which is up to {floor}"
    ))
}

/// The part of a record around a breach, with what was published there, for people.
#[must_use]
pub fn explain(record: &Record, truth: &Truth, breach: &Breach) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", breach.what);
    let topics = &record.topics;
    let latest = if record.latest { ", latest only" } else { "" };
    let _ = writeln!(
        out,
        "follows topics {topics:?}{latest}, began at {:?}",
        record.start
    );
    let from = breach.at.saturating_sub(8);
    for (at, event) in record.events.iter().enumerate().skip(from).take(12) {
        let mark = if at == breach.at { "=>" } else { "  " };
        let _ = writeln!(out, "{mark} {at}: {event:?}");
    }
    let around = record
        .events
        .get(breach.at.saturating_sub(1))
        .or(record.events.last());
    let place = around.map(|event| match event {
        Event::Message { at, .. } => *at,
        Event::Gap { resume, .. } => *resume,
    });
    if let Some(place) = place.or(record.start) {
        let life = &truth.lives[place.life as usize];
        let _ = writeln!(
            out,
            "life {} (`{}`), floors {:?}",
            place.life, life.epoch, life.floors
        );
        let log = life.log.range(place.offset.saturating_sub(3)..);
        for (offset, message) in log
            .filter(|(_, message)| topics.contains(&message.topic))
            .take(12)
        {
            let _ = writeln!(out, "   log {offset}: {message:?}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: [&str; 2] = ["a", "b"];

    /// Offsets 1 to 9 in each life: topic 0 has the odd ones, topic 1 the even ones; topic 0 has lost what is up to 3 in
    /// the first life.
    fn truth() -> Truth {
        let mut truth = Truth::default();
        for life in LIVES {
            truth.begin(life.into(), 2);
            for offset in 1..=9_u32 {
                let message = Published {
                    topic: u16::from(offset.is_multiple_of(2)),
                    number: offset * 10,
                    bytes: 5,
                };
                truth.published(u64::from(offset), message);
            }
            if life == "a" {
                truth.lost(0, 3);
            }
        }
        truth
    }

    fn at(life: u32, offset: u64) -> Place {
        Place { life, offset }
    }

    fn message(life: u32, offset: u64) -> Event {
        Event::Message {
            at: at(life, offset),
            topic: Some(u16::from(offset.is_multiple_of(2))),
            number: offset as u32 * 10,
            bytes: 5,
        }
    }

    fn gap(after: Place, resume: Place) -> Event {
        Event::Gap {
            after,
            resume,
            to_head: false,
        }
    }

    fn record(start: Place, events: Vec<Event>) -> Record {
        Record {
            topics: vec![0],
            latest: false,
            start: Some(start),
            events,
        }
    }

    /// The odd offsets beyond this one, in the second life.
    fn rest(after: u64) -> Vec<Event> {
        let odd = (after + 1..=9).filter(|offset| offset % 2 == 1);
        odd.map(|offset| message(1, offset)).collect()
    }

    fn wrong(record: &Record) -> String {
        check(record, &truth()).expect_err("it is wrong").what
    }

    #[test]
    fn slices_and_announced_gaps_are_right() {
        assert_eq!(check(&record(at(1, 0), rest(0)), &truth()).unwrap().messages, 5);
        assert_eq!(check(&record(at(1, 9), vec![]), &truth()).unwrap().messages, 0);
        // Behind the floor: told up to it. Then the next life, told too.
        let mut events = vec![gap(at(0, 1), at(0, 3)), message(0, 5), gap(at(0, 6), at(1, 0))];
        events.extend(rest(0));
        let tally = check(&record(at(0, 0), events), &truth()).expect_err("3 was skipped before the gap");
        assert!(tally.what.contains("skipped"), "{tally:?}");
        let mut events = vec![gap(at(0, 0), at(0, 3)), message(0, 5), gap(at(0, 6), at(1, 0))];
        events.extend(rest(0));
        let tally = check(&record(at(0, 0), events), &truth()).unwrap();
        assert_eq!((tally.messages, tally.gaps, tally.new_lives), (6, 2, 1));
    }

    #[test]
    fn the_latest_is_just_before_a_message_of_ones_own() {
        let mut events = vec![gap(at(0, 0), at(0, 8)), message(0, 9), gap(at(0, 9), at(1, 0))];
        events.extend(rest(0));
        let mut record = record(at(0, 0), events);
        assert!(wrong(&record).contains("beyond what was lost"));
        record.latest = true;
        assert!(check(&record, &truth()).is_ok());
        record.events[0] = gap(at(0, 0), at(0, 7));
        assert!(wrong(&record).contains("beyond what was lost"));
    }

    #[test]
    fn a_session_that_cannot_recover_goes_on_from_now_if_something_was_lost() {
        let to_head = |after, resume| Event::Gap {
            after,
            resume,
            to_head: true,
        };
        let told = |start, event| check(&record(start, vec![event]), &truth());
        assert!(told(at(0, 0), to_head(at(0, 0), at(1, 9))).is_ok());
        let late = vec![to_head(at(0, 1), at(0, 7)), to_head(at(0, 7), at(1, 9))];
        assert!(check(&record(at(0, 1), late), &truth()).is_ok());
        let error = told(at(1, 1), to_head(at(1, 1), at(1, 9))).expect_err("everything was there");
        assert!(error.what.contains("nothing was lost"), "{error:?}");
    }

    #[test]
    fn each_breach_is_found() {
        let with = |change: &dyn Fn(&mut Vec<Event>)| {
            let mut events = rest(0);
            change(&mut events);
            wrong(&record(at(1, 0), events))
        };
        assert!(with(&|events| _ = events.remove(2)).contains("5 is next and was skipped"));
        assert!(with(&|events| _ = events.remove(0)).contains("1 is next and was skipped"));
        assert!(with(&|events| _ = events.pop()).contains("9 is missing"));
        assert!(with(&|events| events.insert(2, message(1, 3))).contains("again"));
        assert!(with(&|events| events.swap(1, 2)).contains("skipped"));
        assert!(with(&|events| events.insert(1, message(1, 2))).contains("3 is next"));
        assert!(with(&|events| events.push(message(1, 11))).contains("no such message"));
        let other = |event: &mut Event| {
            if let Event::Message { number, .. } = event {
                *number += 1;
            }
        };
        assert!(with(&|events| other(&mut events[1])).contains("was published"));
        // A gap where nothing is lost, one that goes further than what is lost, one that hides what was there.
        assert!(with(&|events| events.insert(1, gap(at(1, 1), at(1, 2)))).contains("nothing was lost"));
        let told = |events| wrong(&record(at(0, 0), events));
        assert!(told(vec![gap(at(0, 0), at(0, 4))]).contains("beyond what was lost"));
        assert!(told(vec![gap(at(0, 0), at(0, 3)), gap(at(0, 5), at(1, 0))]).contains("skipped before it"));
        assert!(told(vec![message(1, 1)]).contains("no gap was told"));
        assert!(told(vec![gap(at(0, 0), at(0, 3)), message(0, 5)]).contains("earlier life"));
        let never = Record {
            start: None,
            ..record(at(0, 0), vec![])
        };
        assert!(wrong(&never).contains("never began"));
    }
}

//! The thread's steps, one by one: a clock that stands still, a disk in memory, a rule folder on the real one.

use std::path::Path;

use bellwether_disk::sim::Fault;
use bellwether_disk::{Disk, RealDisk, SimDisk};
use bellwether_engine::AlertState;
use bellwether_engine::replay::{Backtest, ReplayOptions};
use bellwether_lang::rules::Level;
use bellwether_model::notice::NoticeKind;
use bellwether_model::{Labels, TimeRange};
use bellwether_store::Config;
use tempfile::TempDir;

use super::*;

const NOW: TimestampMs = TimestampMs(1_700_000_000_000);

const GOOD: &str = "alert Burning\n  expr  vector(1)\n  every 10s\n  critical > 0\n\
    channel ops\n  webhook http://127.0.0.1:1/\nroute all\n  to ops\n";

/// What outlives the program.
struct World {
    rules: TempDir,
    /// Of the ledger; the store has one of its own.
    disk: SimDisk,
    clock: Clock,
    store: Store,
}

impl World {
    fn new(rules: &str) -> World {
        let store = Store::open(
            Arc::new(SimDisk::new()),
            Path::new("/s"),
            Config::default(),
            NOW,
        );
        let world = World {
            rules: tempfile::tempdir().unwrap(),
            disk: SimDisk::new(),
            clock: Clock::manual(NOW),
            store: store.unwrap().0,
        };
        world.write(rules);
        world
    }

    #[expect(clippy::disallowed_methods, reason = "the test plays the editor")]
    fn write(&self, rules: &str) {
        std::fs::write(self.rules.path().join("a.rules"), rules).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "the test takes the folder away")]
    fn unmount(&self) {
        std::fs::remove_dir_all(self.rules.path()).unwrap();
    }

    fn later(&self, seconds: i64) {
        let now = self.clock.now();
        self.clock.set(now.plus(DurationMs::from_secs(seconds)));
    }

    /// The program is started; what came before it left only what it had committed.
    fn start(&self) -> Running {
        let ledger = Ledger::open(Arc::new(self.disk.clone()), Path::new("/ledger")).unwrap();
        let snapshot = ledger.load().unwrap();
        let parts = RulesThread {
            store: self.store.clone(),
            ledger,
            clock: self.clock.clone(),
            folder: RuleFolder::new(self.rules.path()),
            published: Arc::default(),
            deadlines: Deadlines::start().unwrap(),
            wake_senders: Box::new(|| {}),
        };
        Running::start(parts, snapshot, None).unwrap()
    }
}

impl Running {
    /// As the thread does it after each wait.
    fn step(&mut self) -> bool {
        self.commit() && {
            self.follow_clock();
            self.evaluate_due()
        }
    }

    /// Name and state of every alert, and the text of those about the engine.
    fn alerts(&self) -> Vec<String> {
        let status = self.parts.published.status();
        let shown = status.alerts().map(|alert| {
            let firing = alert.state == AlertState::Firing;
            let text = alert.annotations.first().map_or("", |(_, text)| text);
            format!("{} {firing} {text}", alert.labels.get("alertname").unwrap())
        });
        shown.collect()
    }

    /// Kinds, alerts and channels of the notices in the outbox.
    fn told(&self) -> Vec<String> {
        let rows = self.parts.ledger.outbox_open().unwrap();
        let notices = rows.iter().map(|row| Notice::decode(&row.payload).unwrap());
        notices
            .map(|n| format!("{} {} {}", n.kind, n.rule, n.channel))
            .collect()
    }
}

#[test]
fn a_rule_folder_that_vanishes_resolves_nothing_and_an_empty_one_does() {
    let world = World::new(GOOD);
    let mut running = world.start();
    world.later(60);
    assert!(running.step());
    world.unmount();
    running.look(false);
    world.later(60);
    assert!(running.step());
    let alerts = running.alerts();
    assert_eq!(alerts[0], "Burning true ");
    assert!(
        alerts[1].starts_with("RulesNotLoaded true ")
            && alerts[1].contains("the last rules that loaded, of 2023-11-14T22:13:20.000Z, go on")
            && alerts[1].contains("is not there any more"),
        "{alerts:?}"
    );
    // So does a start that does not find it.
    drop(running);
    let mut running = world.start();
    world.later(60);
    assert!(running.step());
    assert_eq!(running.alerts()[0], "Burning true ");
    // It is back, and empty.
    RealDisk.create_dir_all(world.rules.path()).unwrap();
    running.look(false);
    assert!(running.step());
    assert_eq!(running.alerts(), [""; 0]);
    let history = running.parts.ledger.history(TimeRange::ALL, usize::MAX);
    let burning = history
        .unwrap()
        .into_iter()
        .filter(|row| row.rule == "Burning");
    let kinds: Vec<(String, Option<String>)> = burning.map(|row| (row.kind, row.reason)).collect();
    let removed = Some("rule removed".to_owned());
    assert_eq!(
        kinds,
        [("resolve".to_owned(), removed), ("fire".to_owned(), None)]
    );
}

#[test]
fn a_start_with_a_broken_folder_runs_the_last_rules_that_loaded() {
    let world = World::new(GOOD);
    let mut running = world.start();
    world.later(60);
    assert!(running.step());
    assert_eq!(running.alerts(), ["Burning true "]);
    drop(running);

    world.write("alert Burning\n  expr  vector(\n");
    for _ in 0..2 {
        // Twice: the second start must not tell it again.
        world.later(30);
        let mut running = world.start();
        assert!(running.step());
        let alerts = running.alerts();
        assert_eq!(alerts[0], "Burning true ");
        assert!(
            alerts[1].contains("the last rules that loaded, of 2023-11-14T22:13:20.000Z, go on")
                && alerts[1].contains("a.rules:2:"),
            "{alerts:?}"
        );
        assert_eq!(
            running.told(),
            ["fire Burning ops", "fire RulesNotLoaded ops"]
        );
        let loaded = running.parts.published.loaded();
        assert!(loaded.broken && loaded.rules.channels.len() == 1);
    }

    world.write(GOOD);
    let mut running = world.start();
    world.later(30);
    assert!(running.step());
    assert_eq!(running.alerts(), ["Burning true "]);
    assert_eq!(running.told().last().unwrap(), "resolve RulesNotLoaded ops");
}

#[test]
fn a_first_start_with_a_broken_folder_says_that_no_rule_runs() {
    let world = World::new("alert Burning\n  expr  vector(\n");
    let mut running = world.start();
    world.later(60);
    assert!(running.step());
    let alerts = running.alerts();
    assert!(
        alerts.len() == 1 && alerts[0].contains("in the rules, no rule runs: "),
        "{alerts:?}"
    );
    // What was kept in the meantime is what runs after the next mistake.
    world.write(GOOD);
    running.look(false);
    world.later(60);
    assert!(running.step());
    assert_eq!(running.alerts(), ["Burning true "]);
}

#[test]
fn nothing_is_evaluated_while_the_ledger_takes_nothing() {
    let world = World::new(GOOD);
    let mut running = world.start();
    world.later(30);
    assert!(running.step());
    let before = running.parts.published.totals();

    // Every call fails for a while, as on a disk that is full.
    let calls = world.disk.ops();
    (calls..calls + 60).for_each(|call| world.disk.fail_at(call, Fault::Errno(28)));
    let mut failed = 0;
    world.later(10);
    while !running.step() {
        failed += 1;
        let stuck = running.parts.published.totals();
        assert_eq!(
            stuck.ticks,
            before.ticks + 1,
            "only the one whose commit failed first"
        );
        world.later(10);
    }
    assert!(failed > 3, "{failed}");
    let after = running.parts.published.totals();
    assert!(after.ticks > before.ticks + failed, "{after:?}");
    assert_eq!(running.told(), ["fire Burning ops"]);
    // The effects of the tick that waited are those it had: nothing is told or recorded twice.
    let ever = TimeRange::new(0, i64::MAX);
    assert_eq!(running.parts.ledger.history(ever, 9).unwrap().len(), 1);
}

#[test]
fn evaluations_are_timed() {
    let world = World::new(GOOD);
    let mut running = world.start();
    assert!(running.parts.published.evaluation_times().is_empty());
    world.later(30);
    assert!(running.step());
    let times = running.parts.published.evaluation_times();
    let status = running.parts.published.status();
    let rule = &status.groups[0].rules[0];
    assert_eq!(times.keys().collect::<Vec<_>>(), [&rule.key]);
    // A rule that is gone has no time.
    world.write("");
    running.look(false);
    assert!(running.step());
    assert!(running.parts.published.evaluation_times().is_empty());
}

#[test]
fn a_panic_of_the_thread_shows() {
    let published = Arc::new(Published::default());
    let end = End(Arc::clone(&published));
    assert!(!published.has_ended());
    let thread = std::thread::spawn(move || {
        let _end = end;
        panic!("a bug");
    });
    assert!(thread.join().is_err());
    assert!(published.has_ended());
}

#[test]
fn a_reload_that_waits_is_answered_between_two_ticks() {
    let world = World::new("");
    let running = world.start();
    let (orders, received) = crossbeam::channel::unbounded();
    let orders = Orders(orders);
    world.write(GOOD);
    let (done, answer) = oneshot::channel();
    orders.send(Order::Reload { done });
    orders.send(Order::Stop);
    running.run(&received);
    assert_eq!(answer.blocking_recv().unwrap().rules.alerts.len(), 1);
}

/// A day of samples as they come, of three machines: one that fills up, one that is missing now and then, one that is steady.
fn samples_of_minute(minute: i64) -> Vec<(&'static str, f64)> {
    let mut samples = vec![("steady", 10.0)];
    let wave = (minute % 240 - 120).abs() as f64;
    samples.push(("wave", wave));
    if minute % 97 >= 13 {
        samples.push(("gaps", if minute % 311 < 40 { 95.0 } else { 50.0 }));
    }
    samples
}

/// Requests and errors up to a minute: half an hour of many errors every six hours, and a restart that counts anew.
fn counts_of_minute(minute: i64) -> (f64, f64) {
    let since = if minute < 700 { minute } else { minute - 700 };
    let errors = since / 360 * 300 + (since % 360 - 100).clamp(0, 30) * 10;
    ((since * 60) as f64, errors as f64)
}

#[test]
fn a_backtest_over_the_stored_day_is_what_happened_that_day() {
    let rules = "record host:load:double\n  expr x * 2\n\
        alert High\n  expr x\n  warning > 90 for 2m clear < 70 keep 3m\n  critical > 110 for 1m\n  missing keep 6m\n\
        alert Double\n  expr max by (host) (host:load:double)\n  every 1m\n  error > 180 for 90s\n  missing clear\n\
        alert Gone\n  expr x\n  info > 1000\n  missing critical after 4m\n\
        alert Many\n  expr count(ALERTS{alertstate=\"firing\", alertname=\"High\"})\n  every 1m\n  info > 1\n\
        alert Late\n  expr late\n  every 1m\n  delay 1m\n  warning > 90 for 2m\n  missing keep 4m\n\
        sla requests\n  objective 98% over 3h\n  bad errors_total\n  total requests_total\n  min 50 events\n  burn 50% in 30m critical\n  \
          breach error for 5m\n  every 1m\n\
        sla slices\n  objective 95% over 1d\n  ok x < 90\n  slice 5m\n  by (host)\n  missing bad\n  breach warning for 10m\n  burn none\n  every 1m\n\
        alert Budget\n  expr sla:budget_remaining:ratio\n  every 1m\n  warning < 50%\n  critical < 0%\n";
    let world = World::new(rules);
    let mut running = world.start();
    let mut appender = world.store.appender();
    let end = NOW.plus(DurationMs::from_mins(24 * 60));
    while world.clock.now() < end {
        let now = world.clock.now();
        let minute = now.since(NOW).0 / 60_000;
        if now.since(NOW).0 % 60_000 == 0 {
            let mut push = |metric: &str, host: &str, at: TimestampMs, value: f64| {
                let labels = Labels::from_pairs([("__name__", metric), ("host", host)]);
                let series = appender.series(&labels).unwrap();
                appender.push(series, at, value);
            };
            for (host, value) in samples_of_minute(minute) {
                push("x", host, now, value);
                // Later than it happened, but not later than its rule waits.
                push("late", host, now.minus(DurationMs::from_secs(40)), value);
            }
            let (requests, errors) = counts_of_minute(minute);
            push("requests_total", "a", now, requests);
            push("errors_total", "a", now, errors);
            appender.commit(now).unwrap();
        }
        assert!(running.step());
        if minute == 400 && now.since(NOW).0 % 60_000 == 0 {
            // The program dies, and is back before two intervals are over.
            drop(running);
            world.later(30);
            running = world.start();
        }
        world.later(10);
    }
    let range = TimeRange { from: NOW, to: end };
    let live = running.parts.ledger.history(range, usize::MAX).unwrap();
    let told = |kind: &str| NoticeKind::from_text(kind).is_some();
    let live: Vec<String> = live
        .iter()
        .rev()
        .filter(|row| told(&row.kind))
        .map(|row| {
            let (at, rule, labels, reason) = (row.at, &row.rule, &row.labels, &row.reason);
            format!(
                "{at} {rule}{labels} {} {:?} {:?} {} {:?} {reason:?}",
                row.kind, row.from, row.to, row.value, row.threshold
            )
        })
        .collect();
    assert!(live.len() > 60, "{}", live.len());
    for rule in [
        "Late",
        "requests:burn",
        "requests:breach",
        "slices:breach",
        "Budget",
    ] {
        let of_rule = live
            .iter()
            .filter(|line| line.contains(&format!(" {rule}{{")));
        assert!(of_rule.count() > 1, "{rule} did nothing: {live:#?}");
    }

    let view = world.store.view();
    let options = ReplayOptions {
        from: NOW,
        until: end,
        query: bellwether_query::Options::default(),
        keep_samples: false,
        control: Control::new(),
    };
    let loaded = Arc::clone(&running.parts.published.loaded().rules);
    let backtest = Backtest::run(loaded, &ViewSource(&view), options, &mut |_| {}).unwrap();
    let replayed = backtest.transitions.iter().map(|t| {
        let (at, rule, labels, reason) = (t.at, &t.rule, &t.identity, &t.reason);
        let number = |level: Option<Level>| level.map(|level| level as u8);
        format!(
            "{at} {rule}{labels} {} {:?} {:?} {} {:?} {reason:?}",
            t.kind,
            number(t.from),
            number(t.to),
            t.value,
            t.threshold
        )
    });
    // Of one time the ledger has no order between alerts that a reader could rely on.
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(replayed.collect()), sorted(live));
}

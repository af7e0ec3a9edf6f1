//! Delivery: takes notices out of the outbox, tries, and records what came of it.
//!
//! The outbox in the ledger is the truth; the queue here is its copy in memory. An attempt is made only for a
//! notice that is in the ledger, and its outcome is in the ledger before the next attempt for the same alert
//! begins. A crash in between repeats the attempt with the same key.
//!
//! Every attempt is a task of its own with its own time limit: a receiver that hangs holds up its own channel's
//! places, nothing else (`queue.rs`).
//!
//! Not here: what an answer means and when to try again (`notify`).

use std::sync::Arc;
use std::time::Duration;

use bellwether_lang::rules::{Channel, ChannelKind};
use bellwether_ledger::{Ledger, LedgerError, Outcome};
use bellwether_model::notice::Notice;
use bellwether_model::{DurationMs, TimestampMs, limits};
use bellwether_notify::{
    Answer, Next, Verdict, Webhook, judge, log_line, next, shown_url, webhook,
};
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info, warn};

use super::outbox;
use super::publish::Published;
use super::queue::{Queue, Waiting};
use super::rules::{Order, Orders};
use crate::clock::Clock;

/// The channel that is always there.
const LOG_CHANNEL: &str = "log";

/// How long the senders wait before they ask a ledger that failed again.
const LEDGER_RETRY: Duration = Duration::from_secs(5);

/// When a notice is tried again whose attempt has panicked.
const ATTEMPT_LOST_RETRY: Duration = Duration::from_mins(1);

/// What delivery works with. Clones share everything.
#[derive(Clone)]
pub(crate) struct Senders {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) published: Arc<Published>,
    pub(crate) orders: Orders,
    pub(crate) client: reqwest::Client,
    pub(crate) wake: Arc<Notify>,
    /// Scheme and host of links, without a slash at the end.
    pub(crate) external_url: Arc<str>,
    /// Values of secrets by name.
    pub(crate) secrets: Arc<Vec<(String, String)>>,
}

/// A client for webhooks: no redirects, no proxy of the environment, a limit on every attempt.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    crate::tls::install_provider();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_millis(limits::NOTIFY_TIMEOUT.value))
        .build()
}

/// An attempt that ended: the notice's key, and the notice again if it is to be tried again.
struct Ended {
    key: String,
    again: Option<Waiting>,
}

/// An attempt under way. However it ends, that is told when it is dropped: one that panics must not hold up its alert.
struct Attempt {
    key: String,
    /// The notice, if it is to be tried again: after a while, unless something better is known.
    again: Option<Waiting>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Attempt {
    fn begin(one: &Waiting, now: TimestampMs, ended: mpsc::UnboundedSender<Ended>) -> Attempt {
        let mut again = one.clone();
        again.due = now.plus(DurationMs(ATTEMPT_LOST_RETRY.as_millis() as i64));
        again.tries.attempts += 1;
        Attempt {
            key: one.notice.key.clone(),
            again: Some(again),
            ended,
        }
    }

    /// Ends it; `again` is the notice, if it is to be tried again.
    fn end(mut self, again: Option<Waiting>) {
        self.again = again;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let ended = Ended {
            key: std::mem::take(&mut self.key),
            again: self.again.take(),
        };
        let _ = self.ended.send(ended); // Nobody listens any more at the end.
    }
}

impl Senders {
    /// Delivers until the task is dropped.
    pub(crate) async fn run(self) {
        let mut queue = Queue::default();
        let (ended, mut endings) = mpsc::unbounded_channel::<Ended>();
        let mut stale = true; // The queue knows less than the ledger.
        let mut known = None; // The last intent that the queue has taken over.
        loop {
            if stale {
                stale = !self.refill(&mut queue, &mut known).await;
            }
            let now = self.clock.now();
            for one in queue.start(now, limits::NOTIFY_CONCURRENCY.usize()) {
                let senders = self.clone();
                let attempt = Attempt::begin(&one, now, ended.clone());
                tokio::spawn(async move { attempt.end(senders.attempt(one).await) });
            }
            let due = queue.next_due().map(|due| due.since(now).0.max(0) as u64);
            let sleep = if stale {
                LEDGER_RETRY
            } else {
                Duration::from_millis(due.unwrap_or(u64::from(u32::MAX)))
            };
            tokio::select! {
                () = self.wake.notified() => stale = true,
                Some(end) = endings.recv() => {
                    queue.finished(&end.key);
                    if let Some(again) = end.again {
                        queue.add(again);
                    }
                }
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Takes over what the ledger has open behind the intent `known`; what came before, the queue has already. False when
    /// it could not be read.
    async fn refill(&self, queue: &mut Queue, known: &mut Option<u64>) -> bool {
        let (ledger, after) = (self.ledger.clone(), *known);
        let rows = match blocking(move || ledger.outbox_open_after(after)).await {
            Ok(rows) => rows,
            Err(e) => {
                error!("the outbox could not be read, trying again: {e}");
                return false;
            }
        };
        for row in rows {
            *known = Some(row.sequence);
            match outbox::waiting(&row) {
                Ok(one) => queue.add(one),
                Err(e) => {
                    let error = format!("the notice cannot be read: {e}");
                    self.record(
                        &row.key,
                        Outcome::DeadLetter {
                            at: self.clock.now(),
                            error,
                        },
                    )
                    .await;
                }
            }
        }
        true
    }

    /// One attempt with its outcome recorded. Returns the notice when it is to be tried again.
    async fn attempt(&self, mut one: Waiting) -> Option<Waiting> {
        let channel = self.channel(&one.notice.channel);
        let (verdict, said) = self.send(&one.notice, channel.as_ref()).await;
        let now = self.clock.now();
        one.tries.attempts += 1;
        one.tries.refused += u32::from(verdict == Verdict::Refused);
        let max_age = channel
            .as_ref()
            .and_then(|c| c.retry)
            .unwrap_or(DurationMs(limits::NOTIFY_MAX_AGE.millis()));
        let name = one.notice.channel.clone();
        match next(
            verdict,
            one.tries,
            &one.notice.key,
            one.created,
            now,
            max_age,
        ) {
            Next::Done => {
                self.record(
                    &one.notice.key,
                    Outcome::Delivered {
                        at: now,
                        answer: Some(said),
                    },
                )
                .await;
                self.orders.send(Order::Delivered { channel: name });
                None
            }
            Next::RetryAt(at) => {
                warn!("channel {name}: {said}; next attempt at {at}");
                self.record(
                    &one.notice.key,
                    Outcome::Retry {
                        next_attempt: at,
                        error: said.clone(),
                    },
                )
                .await;
                self.orders.send(Order::AttemptFailed {
                    channel: name,
                    attempts: one.tries.attempts,
                    error: said,
                });
                one.due = at;
                Some(one)
            }
            Next::GiveUp(why) => {
                let error = format!("{}: {said}", why.text());
                error!(
                    "channel {name}: a notice about {} is given up: {error}",
                    one.notice.identity
                );
                self.give_up(&one.notice, channel.as_ref(), error, now)
                    .await;
                None
            }
        }
    }

    /// First the stand-in's notice becomes durable, then this one ends: a crash in between repeats the last
    /// attempt, and the stand-in's key keeps it from being told twice.
    async fn give_up(
        &self,
        notice: &Notice,
        channel: Option<&Channel>,
        error: String,
        now: TimestampMs,
    ) {
        let fallback = channel.and_then(|c| c.fallback.as_deref());
        let (committed, done) = oneshot::channel();
        self.orders.send(Order::GaveUp {
            channel: notice.channel.clone(),
            error: error.clone(),
            instead: fallback.map(|name| Box::new(outbox::for_fallback(notice, name))),
            committed,
        });
        if done.await.is_err() {
            return; // The rules' thread has ended: the next start makes the attempt again.
        }
        self.record(&notice.key, Outcome::DeadLetter { at: now, error })
            .await;
    }

    fn channel(&self, name: &str) -> Option<Channel> {
        self.published
            .rules()
            .channels
            .iter()
            .find(|c| c.name == name)
            .cloned()
    }

    /// Makes the attempt. The text says what happened, without secrets.
    async fn send(&self, notice: &Notice, channel: Option<&Channel>) -> (Verdict, String) {
        match channel.map(|c| &c.kind) {
            None if notice.channel != LOG_CHANNEL => {
                let said = format!(
                    "no channel is named {}; the rules may have changed",
                    notice.channel
                );
                (Verdict::Retry { wait: None }, said)
            }
            None | Some(ChannelKind::Log) => {
                info!("{}", log_line(notice));
                (Verdict::Delivered, "logged".into())
            }
            Some(ChannelKind::Webhook { url, bearer }) => {
                let hook = Webhook {
                    url,
                    bearer: bearer.as_deref(),
                    external_url: &self.external_url,
                };
                self.post(webhook::request(notice, hook)).await
            }
            // Said and not swallowed: the fallback takes over, and the dead letter is an alert of its own.
            Some(kind) => {
                let said = format!("this version does not send to {} yet", kind.word());
                (Verdict::Refused, said)
            }
        }
    }

    async fn post(&self, request: webhook::Request) -> (Verdict, String) {
        let shown = shown_url(&request.url);
        let mut post = self.client.post(&request.url).body(request.body);
        for (name, value) in request.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return (
                    Verdict::Refused,
                    format!("{shown}: header {name} cannot be sent"),
                );
            };
            post = post.header(name, value);
        }
        if let Some(secret) = &request.bearer {
            let Some((_, value)) = self
                .secrets
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(secret))
            else {
                return (
                    Verdict::Retry { wait: None },
                    format!(
                        "{shown}: no secret is named {secret}; give it as BELLWETHER__SECRETS__{}",
                        secret.to_ascii_uppercase()
                    ),
                );
            };
            post = post.bearer_auth(value);
        }
        let answer = match post.send().await {
            Ok(answer) => answer,
            // The error's own text holds the URL, which is a secret.
            Err(e) => {
                let said = format!("{shown}: {}", e.without_url());
                return (judge(Answer::Unreachable, self.clock.now()), said);
            }
        };
        let code = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get("Retry-After")
            .and_then(|v| v.to_str().ok());
        (
            judge(Answer::Status { code, retry_after }, self.clock.now()),
            format!("{shown} answered {code}"),
        )
    }

    /// Records an outcome, again and again until the ledger takes it: it has happened.
    async fn record(&self, key: &str, outcome: Outcome) {
        loop {
            let (ledger, owned, outcome) = (self.ledger.clone(), key.to_owned(), outcome.clone());
            match blocking(move || ledger.record_outcome(&owned, &outcome)).await {
                Ok(()) | Err(LedgerError::NotOpen { .. }) => return,
                Err(e) => error!("what came of a notice could not be recorded, trying again: {e}"),
            }
            tokio::time::sleep(LEDGER_RETRY).await;
        }
    }
}

/// Runs what waits for the disk off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => std::panic::resume_unwind(e.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use bellwether_model::Labels;
    use bellwether_model::notice::NoticeKind;
    use bellwether_notify::Tries;

    use super::*;

    #[tokio::test]
    async fn an_attempt_that_panics_is_made_again_later() {
        let labels = Labels::from_pairs([("alertname", "A")]);
        let at = TimestampMs(1000);
        let notice = Notice {
            key: "k".into(),
            channel: "ops".into(),
            rule: "A".into(),
            kind: NoticeKind::Fire,
            labels: labels.clone(),
            identity: labels,
            annotations: Vec::new(),
            value: 1.0,
            threshold: None,
            level: 2,
            at,
            active_at: at,
            starts_at: at,
            ends_at: None,
            reason: None,
            query_path: String::new(),
        };
        let tries = Tries {
            attempts: 2,
            refused: 1,
        };
        let one = Waiting {
            notice: Arc::new(notice),
            created: at,
            due: at,
            tries,
        };
        let mut queue = Queue::default();
        queue.add(one);
        let one = queue.start(at, 1).remove(0);
        let (ended, mut endings) = mpsc::unbounded_channel();
        let attempt = Attempt::begin(&one, at, ended);
        let task = tokio::spawn(async move {
            let _attempt = attempt;
            panic!("the attempt");
        });
        assert!(task.await.unwrap_err().is_panic());
        let end = endings.recv().await.unwrap();
        queue.finished(&end.key);
        queue.add(end.again.unwrap());
        let due = queue.next_due().unwrap();
        assert_eq!(due, at.plus(DurationMs::from_mins(1)));
        assert_eq!(queue.start(due, 1)[0].tries.attempts, 3);
    }
}

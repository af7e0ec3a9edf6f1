//! Routes about what is not here: nothing is scraped, and notices go to channels, not to Alertmanagers. Clients that ask
//! (pages with an overview of targets, checks that a Prometheus is up) get the shape they read, and nothing in it.

use std::sync::Arc;

use super::envelope::success;
use super::state::Api;
use crate::edge::answer::{Answer, Refusal};
use crate::edge::route::Call;

/// `GET /api/v1/targets`.
pub(super) async fn targets(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(answer(
        r#"{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}"#,
    ))
}

/// `GET /api/v1/targets/metadata`.
pub(super) async fn target_metadata(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(answer("[]"))
}

/// `GET /api/v1/scrape_pools`.
pub(super) async fn scrape_pools(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(answer(r#"{"scrapePools":[]}"#))
}

/// `GET /api/v1/alertmanagers`.
pub(super) async fn alertmanagers(_: Arc<Api>, _: Call) -> Result<Answer, Refusal> {
    Ok(answer(
        r#"{"activeAlertmanagers":[],"droppedAlertmanagers":[]}"#,
    ))
}

fn answer(data: &str) -> Answer {
    Answer::json(success(|out| out.push_str(data), &[], &[]))
}

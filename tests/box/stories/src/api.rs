//! The daemon as people see it: the admin listener.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use frontdesk_tests::daemon::no_tls;
use serde_json::Value;

use crate::guest::until;

/// The admin listener of the shipped configuration.
const ADMIN: &str = "http://127.0.0.1:8090";

/// Asks the daemon.
#[derive(Clone)]
pub(crate) struct Api {
    http: Arc<reqwest::Client>,
}

impl Api {
    /// A client for whichever daemon runs.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(no_tls()?)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self { http: Arc::new(http) })
    }

    /// `GET`, read as JSON.
    pub(crate) async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let text = self.http.get(format!("{ADMIN}{path}")).send().await?.text().await?;
        serde_json::from_str(&text).with_context(|| format!("{path} answered {text}"))
    }

    /// Asks until `predicate` holds.
    pub(crate) async fn wait_for(
        &self,
        path: &str,
        limit: Duration,
        mut predicate: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        let found = until(path, limit, async || {
            last = self.json(path).await?;
            Ok(predicate(&last).then(|| last.clone()))
        })
        .await;
        found.with_context(|| format!("{path} said last: {last}"))
    }
}

//! What `/metrics` tells, in the text form of Prometheus.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::catalog::Catalog;

type Labels = Vec<(&'static str, String)>;

/// Seconds, as the GenAI conventions of OpenTelemetry have them.
const DURATIONS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const FIRST_TOKEN: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const PER_TOKEN: [f64; 13] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];

type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

fn first_token() -> Histogram {
    Histogram::new(FIRST_TOKEN)
}

fn per_token() -> Histogram {
    Histogram::new(PER_TOKEN)
}

/// Counters, gauges and histograms of a server. Labels are ours: names of models and of outcomes.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    tokens: Family<Labels, Counter>,
    active: Family<Labels, Gauge>,
    duration: Histograms,
    first_token: Histograms,
    per_token: Histograms,
    waiting: Family<Labels, Gauge>,
    sequences: Family<Labels, Gauge>,
    capacity: Family<Labels, Gauge>,
    cache: Family<Labels, Gauge>,
    steps: Family<Labels, Counter>,
    step_sequences: Family<Labels, Counter>,
    computed: Family<Labels, Counter>,
}

/// What a request came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) model: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) outcome: &'a str,
    pub(crate) duration: Duration,
    pub(crate) first_token: Option<Duration>,
    pub(crate) per_token: Option<f64>,
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            tokens: Family::default(),
            active: Family::default(),
            duration: Family::new_with_constructor(durations as fn() -> Histogram),
            first_token: Family::new_with_constructor(first_token as fn() -> Histogram),
            per_token: Family::new_with_constructor(per_token as fn() -> Histogram),
            waiting: Family::default(),
            sequences: Family::default(),
            capacity: Family::default(),
            cache: Family::default(),
            steps: Family::default(),
            step_sequences: Family::default(),
            computed: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        let name = |short: &str| format!("autodidact_{short}");
        r.register(
            name("requests"),
            "Requests by outcome",
            self.requests.clone(),
        );
        r.register(
            name("tokens"),
            "Tokens of answered requests by kind",
            self.tokens.clone(),
        );
        r.register(
            name("requests_active"),
            "Requests under way",
            self.active.clone(),
        );
        r.register(
            name("queue_requests"),
            "Requests that wait for the engine",
            self.waiting.clone(),
        );
        r.register(
            name("batch_sequences"),
            "Sequences under way",
            self.sequences.clone(),
        );
        r.register(
            name("batch_capacity"),
            "Sequences that fit",
            self.capacity.clone(),
        );
        r.register(
            name("prefix_cache_bytes"),
            "Keys and values kept of prompts",
            self.cache.clone(),
        );
        r.register(name("steps"), "Forward passes", self.steps.clone());
        r.register(
            name("step_sequences"),
            "Sequences over all forward passes",
            self.step_sequences.clone(),
        );
        r.register(
            name("engine_tokens"),
            "Tokens computed or found by the engine, cancelled requests included",
            self.computed.clone(),
        );
        r.register(
            "gen_ai_server_request_duration_seconds",
            "Time from a request's arrival to its end",
            self.duration.clone(),
        );
        r.register(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a request's arrival to its first token",
            self.first_token.clone(),
        );
        r.register(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time of a request's tokens after the first",
            self.per_token.clone(),
        );
    }

    /// A request begins, or ends.
    pub(crate) fn under_way(&self, operation: &'static str, change: i64) {
        let labels = vec![("operation", operation.to_owned())];
        self.active.get_or_create(&labels).inc_by(change);
    }

    /// A request has ended.
    pub(crate) fn see(&self, seen: &Seen<'_>) {
        let named = |more: &[(&'static str, &str)]| -> Labels {
            let own = [("operation", seen.operation), ("model", seen.model)];
            let all = own.iter().chain(more);
            all.map(|(key, value)| (*key, (*value).to_owned()))
                .collect()
        };
        let outcome = named(&[("outcome", seen.outcome)]);
        self.requests.get_or_create(&outcome).inc();
        let duration = seen.duration.as_secs_f64();
        self.duration.get_or_create(&outcome).observe(duration);
        for (kind, count) in [
            ("input", seen.prompt),
            ("input_cached", seen.cached),
            ("output", seen.completion),
        ] {
            self.tokens
                .get_or_create(&named(&[("type", kind)]))
                .inc_by(count);
        }
        if let Some(first) = seen.first_token {
            self.first_token
                .get_or_create(&named(&[]))
                .observe(first.as_secs_f64());
        }
        if let Some(per_token) = seen.per_token {
            self.per_token.get_or_create(&named(&[])).observe(per_token);
        }
    }

    /// The whole text, with what the engines are doing now.
    pub(crate) fn text(&self, catalog: &Catalog) -> Result<String, std::fmt::Error> {
        for model in catalog.embedded() {
            let Some(stats) = model.stats() else {
                continue;
            };
            let labels = vec![("model", model.name().to_owned())];
            let kind = |kind: &str| {
                let mut labels = labels.clone();
                labels.push(("type", kind.to_owned()));
                labels
            };
            self.waiting
                .get_or_create(&labels)
                .set(stats.waiting as i64);
            self.sequences
                .get_or_create(&labels)
                .set(stats.active as i64);
            self.capacity
                .get_or_create(&labels)
                .set(stats.capacity as i64);
            self.cache
                .get_or_create(&labels)
                .set(stats.cache_bytes as i64);
            let store = |family: &Family<Labels, Counter>, labels: &Labels, value: u64| {
                family
                    .get_or_create(labels)
                    .inner()
                    .store(value, Ordering::Relaxed);
            };
            store(&self.steps, &labels, stats.steps);
            store(&self.step_sequences, &labels, stats.sequences);
            store(&self.computed, &kind("input"), stats.prompt_tokens);
            store(&self.computed, &kind("input_cached"), stats.cached_tokens);
            store(&self.computed, &kind("output"), stats.generated_tokens);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

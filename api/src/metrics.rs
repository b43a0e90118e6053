//! Counters of the HTTP front in Prometheus' text form. Label values are our own words, never a client's.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use convertfly_scheduler::store::keys::{ENCODER_FAILS, ENCODER_RESTS, ENCODER_RETURNS, ENCODER_WORKS};

/// Upper bounds of the latency histogram, microseconds.
const BUCKETS: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000, 300_000_000];

/// Statuses are counted by number; ours all lie below this one.
const STATUSES: usize = 600;

/// Which row of the router answered; the last one stands for no row at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(pub(crate) usize);

/// All counters.
pub(crate) struct Metrics {
    routes: Vec<Route>,
    in_flight: AtomicI64,
    connections: AtomicI64,
    connections_refused: AtomicU64,
    panics: AtomicU64,
}

struct Route {
    method: String,
    path: String,
    statuses: Vec<AtomicU64>,
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Route {
    fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            statuses: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(),
            buckets: Default::default(),
            count: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        }
    }
}

/// Counts something as long as it lives.
pub(crate) struct Gauge(Arc<Metrics>, fn(&Metrics) -> &AtomicI64);

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// Counters for `routes` (method and path of each row), and for requests that no row answers.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Arc<Self> {
        let known = routes.into_iter().map(|(method, path)| Route::new(method, path));
        Arc::new(Self {
            routes: known.chain([Route::new("", "unmatched")]).collect(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    fn route(&self, id: Option<RouteId>) -> Option<&Route> {
        id.and_then(|RouteId(index)| self.routes.get(index)).or(self.routes.last())
    }

    /// The path of a row, as the log shows it: with placeholders, never with what stood in their place.
    pub(crate) fn path(&self, id: Option<RouteId>) -> &str {
        self.route(id).map_or("unmatched", |route| &route.path)
    }

    /// A request has been answered.
    pub(crate) fn answered(&self, id: Option<RouteId>, status: u16, took: Duration) {
        let Some(route) = self.route(id) else { return };
        if let Some(counter) = route.statuses.get(usize::from(status)) {
            counter.fetch_add(1, Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BUCKETS.iter().position(|&bound| micros <= bound) {
            route.buckets[bucket].fetch_add(1, Relaxed);
        }
        route.count.fetch_add(1, Relaxed);
        route.micros.fetch_add(micros, Relaxed);
    }

    /// A request is being answered.
    pub(crate) fn begun(self: &Arc<Self>) -> Gauge {
        self.in_flight.fetch_add(1, Relaxed);
        Gauge(self.clone(), |metrics| &metrics.in_flight)
    }

    /// A connection is open.
    pub(crate) fn connection_opened(self: &Arc<Self>) -> Gauge {
        self.connections.fetch_add(1, Relaxed);
        Gauge(self.clone(), |metrics| &metrics.connections)
    }

    /// A connection was over the limit.
    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Relaxed);
    }

    /// A handler panicked.
    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// The text form, version 0.0.4: `https://prometheus.io/docs/instrumenting/exposition_formats/`.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        head(&mut text, "convertfly_http_requests_total", "counter", "Requests answered.");
        for route in &self.routes {
            for (status, counter) in route.statuses.iter().enumerate() {
                let (count, method, path) = (counter.load(Relaxed), &route.method, &route.path);
                if count > 0 {
                    let labels = format!("method=\"{method}\",route=\"{path}\",status=\"{status}\"");
                    let _ = writeln!(text, "convertfly_http_requests_total{{{labels}}} {count}");
                }
            }
        }
        head(&mut text, "convertfly_http_request_seconds", "histogram", "Time from the request's head to the response's head.");
        for route in self.routes.iter().filter(|route| route.count.load(Relaxed) > 0) {
            let labels = format!("method=\"{}\",route=\"{}\"", route.method, route.path);
            let (count, micros) = (route.count.load(Relaxed), route.micros.load(Relaxed));
            let mut below = 0;
            for (bound, bucket) in BUCKETS.iter().zip(&route.buckets) {
                below += bucket.load(Relaxed);
                let le = *bound as f64 / 1e6;
                let _ = writeln!(text, "convertfly_http_request_seconds_bucket{{{labels},le=\"{le}\"}} {below}");
            }
            let _ = writeln!(text, "convertfly_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}");
            let _ = writeln!(text, "convertfly_http_request_seconds_sum{{{labels}}} {}", micros as f64 / 1e6);
            let _ = writeln!(text, "convertfly_http_request_seconds_count{{{labels}}} {count}");
        }
        let gauges = [
            ("convertfly_http_requests_in_flight", "Requests being answered.", self.in_flight.load(Relaxed)),
            ("convertfly_http_connections", "Open connections.", self.connections.load(Relaxed)),
        ];
        for (name, help, value) in gauges {
            head(&mut text, name, "gauge", help);
            let _ = writeln!(text, "{name} {value}");
        }
        let counters = [
            ("convertfly_http_connections_refused_total", "Connections over a limit.", self.connections_refused.load(Relaxed)),
            ("convertfly_http_panics_total", "Handlers that panicked.", self.panics.load(Relaxed)),
        ];
        for (name, help, value) in counters {
            head(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {value}");
        }
        text
    }
}

/// Counters that the processes of a store share, with their help.
const SHARED: [(&str, &str); 7] = [
    ("ledger_mismatches", "Audits that found an account's books apart."),
    ("mended", "Places of unfinished tasks that the sweeper had to restore; above 0 something is wrong."),
    ("libreoffice_outgrown", "Processes of LibreOffice replaced because they kept more memory than CONVERTFLY_OFFICE_MEMORY."),
    ("chromium_outgrown", "Processes of Chromium replaced because they kept more memory than CONVERTFLY_OFFICE_MEMORY."),
    ("webhooks_delivered", "Webhook attempts that the endpoint took."),
    ("webhooks_retried", "Webhook attempts that failed and are made again later."),
    ("webhooks_failed", "Deliveries of webhooks that were given up."),
];

/// The text form of the counters that the processes of a store share: by name, zero where nothing has been counted.
pub(crate) fn shared(counters: &HashMap<String, u64>) -> String {
    let mut text = String::new();
    for (name, help) in SHARED {
        let count = counters.get(name).copied().unwrap_or(0);
        let name = format!("convertfly_{name}_total");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {count}\n");
    }
    text.push_str(&encoders(counters));
    text
}

/// What became of each hardware encoder of video: when nodes started, and when it failed again and again.
fn encoders(counters: &HashMap<String, u64>) -> String {
    let probes = "Starts of nodes at which a hardware encoder was opened, by what came of it.";
    let breaker = "Times that a node began to leave a failing encoder alone (rests), and that it worked again (returns). \
                   The difference are those that rest; a node that restarts forgets its own.";
    of_encoders(counters, "convertfly_video_encoder_probes_total", probes, [(ENCODER_WORKS, "works"), (ENCODER_FAILS, "fails")])
        + &of_encoders(
            counters,
            "convertfly_video_encoder_breaker_total",
            breaker,
            [(ENCODER_RESTS, "rests"), (ENCODER_RETURNS, "returns")],
        )
}

/// A metric by encoder and outcome; each outcome has counters of its own, whose names begin alike.
fn of_encoders(counters: &HashMap<String, u64>, name: &str, help: &str, outcomes: [(&str, &str); 2]) -> String {
    let mut lines = Vec::new();
    for (prefix, outcome) in outcomes {
        let of_outcome = counters.iter().filter_map(|(counter, count)| Some((counter.strip_prefix(prefix)?, count)));
        lines.extend(
            of_outcome.map(|(encoder, count)| format!("{name}{{encoder=\"{encoder}\",outcome=\"{outcome}\"}} {count}\n")),
        );
    }
    lines.sort();
    format!("# HELP {name} {help}\n# TYPE {name} counter\n{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoders_are_counted_by_name_and_outcome() {
        let counters = [
            ("encoder_fails:hevc_qsv", 3),
            ("encoder_works:h264_nvenc", 2),
            ("encoder_fails:h264_nvenc", 1),
            ("encoder_rests:h264_nvenc", 5),
            ("encoder_returns:h264_nvenc", 4),
            ("mended", 9),
        ];
        let text = encoders(&counters.map(|(name, count)| (name.to_owned(), count)).into());
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            ("probes", "h264_nvenc", "fails", 1),
            ("probes", "h264_nvenc", "works", 2),
            ("probes", "hevc_qsv", "fails", 3),
            ("breaker", "h264_nvenc", "rests", 5),
            ("breaker", "h264_nvenc", "returns", 4),
        ];
        let expected = expected.map(|(metric, encoder, outcome, count)| {
            format!("convertfly_video_encoder_{metric}_total{{encoder=\"{encoder}\",outcome=\"{outcome}\"}} {count}")
        });
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn the_text_counts_by_route_and_status() {
        let metrics = Metrics::new([("GET", "/a/{id}")]);
        let busy = metrics.begun();
        metrics.answered(Some(RouteId(0)), 200, Duration::from_micros(700));
        metrics.answered(Some(RouteId(0)), 503, Duration::from_secs(1_000));
        metrics.answered(None, 404, Duration::ZERO);
        let text = metrics.render();
        for line in [
            r#"convertfly_http_requests_total{method="GET",route="/a/{id}",status="200"} 1"#,
            r#"convertfly_http_requests_total{method="GET",route="/a/{id}",status="503"} 1"#,
            r#"convertfly_http_requests_total{method="",route="unmatched",status="404"} 1"#,
            r#"convertfly_http_request_seconds_bucket{method="GET",route="/a/{id}",le="0.0005"} 0"#,
            r#"convertfly_http_request_seconds_bucket{method="GET",route="/a/{id}",le="0.001"} 1"#,
            r#"convertfly_http_request_seconds_bucket{method="GET",route="/a/{id}",le="300"} 1"#,
            r#"convertfly_http_request_seconds_bucket{method="GET",route="/a/{id}",le="+Inf"} 2"#,
            r#"convertfly_http_request_seconds_count{method="GET",route="/a/{id}"} 2"#,
            "convertfly_http_requests_in_flight 1",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is missing in:\n{text}");
        }
        drop(busy);
        assert!(metrics.render().contains("\nconvertfly_http_requests_in_flight 0\n"), "the gauge falls again");
    }
}

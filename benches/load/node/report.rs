//! The report for people: a table, and a page that needs nothing else.

use std::fmt::Write;

use super::Report;

/// For a terminal.
pub fn table(report: &Report) -> String {
    let mut text = format!("{}\n{}; {} files, {} jobs\n", report.machine, report.load, report.files, report.jobs);
    let latency = report.latency;
    let lines = [
        ("jobs a second", format!("{:.1}", report.jobs_per_second)),
        ("latency ms", format!("p50 {:.0}, p90 {:.0}, p99 {:.0}, max {:.0}", latency.p50, latency.p90, latency.p99, latency.max)),
        ("processor", format!("{:.1} s in {:.1} s", report.cpu_seconds, report.seconds)),
        ("Mpixel per CPU s", format!("{:.1}", report.megapixels_per_cpu_second)),
        ("bytes of results", report.bytes_out.to_string()),
        ("mean ms of stages", report.stages.iter().map(|(stage, ms)| format!("{stage} {ms:.1}")).collect::<Vec<_>>().join(", ")),
    ];
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<18} {value}");
    }
    for (error, count) in &report.failed {
        let _ = writeln!(text, "failed             {count} {error}");
    }
    if let Some(peer) = report.peer {
        let _ = writeln!(
            text,
            "sharp and BullMQ   {:.1} s, processor {:.1} s, {} bytes, {} failed; wall {:.2}x, processor {:.2}x (above 1: we are faster)",
            peer.seconds, peer.cpu_seconds, peer.bytes_out, peer.failed, peer.ratio, peer.cpu_ratio
        );
    }
    text
}

/// A page with plots, in one file.
pub fn html(report: &Report) -> String {
    let curve: Vec<(f64, f64)> = report.curve.clone();
    let timeline: Vec<(f64, f64)> =
        report.timeline.iter().enumerate().map(|(second, jobs)| (second as f64, *jobs as f64)).collect();
    let json = serde_json::to_string_pretty(report).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>ConvertFly under load</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a2233}}\
         pre{{background:#f4f5f7;padding:1rem;overflow:auto}}svg{{width:100%;height:auto}}</style>\
         <h1>ConvertFly under load</h1><pre>{}</pre>\
         <h2>Latency by percentile, ms</h2>{}<h2>Finished jobs in each second</h2>{}\
         <details><summary>All figures</summary><pre>{}</pre></details></html>\n",
        escape(&table(report)),
        plot(&curve, "%", "ms"),
        plot(&timeline, "s", "jobs"),
        escape(&json)
    )
}

/// A line over its axes.
fn plot(points: &[(f64, f64)], x_unit: &str, y_unit: &str) -> String {
    const WIDTH: f64 = 800.0;
    const HEIGHT: f64 = 240.0;
    const LEFT: f64 = 60.0;
    const BOTTOM: f64 = 30.0;
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0f64, f64::max).max(1e-9);
    let (x_most, y_most) = (most(&mut points.iter().map(|p| p.0)), most(&mut points.iter().map(|p| p.1)));
    let x = |value: f64| LEFT + value / x_most * (WIDTH - LEFT - 10.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / y_most * (HEIGHT - BOTTOM - 10.0);
    let line = points.iter().map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py))).collect::<Vec<_>>().join(" ");
    let mut text = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-size=\"12\" fill=\"#556\">");
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let (gx, gy) = (x(x_most * share), y(y_most * share));
        let _ = write!(
            text,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{gy:.1}\" y2=\"{gy:.1}\" stroke=\"#dde\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} {y_unit}</text>\
             <text x=\"{gx:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} {x_unit}</text>",
            LEFT - 6.0,
            gy + 4.0,
            y_most * share,
            HEIGHT - 10.0,
            x_most * share
        );
    }
    let _ = write!(text, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#1d5fbf\" stroke-width=\"2\"/></svg>");
    text
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_stays_within_its_frame() {
        let text = plot(&[(0.0, 1.0), (50.0, 4.0), (100.0, 9.0)], "%", "ms");
        assert!(text.contains("points=\"60.0,187.8 425.0,121.1 790.0,10.0\""), "from the axis to the far corner: {text}");
    }
}

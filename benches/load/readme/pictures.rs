//! Pictures beside the peers.

use std::fmt::Write;

use crate::machine::Measured;
use crate::peers::report::{cpu, quality, spread};
use crate::peers::{Outcome, rows};

/// A row for each workload, measured or not.
pub(super) fn table(measured: Option<&Measured<Vec<Outcome>>>) -> String {
    let mut text = "### Pictures beside sharp, pyvips and Pillow\n\n".to_owned();
    let outcomes = measured.map_or(&[][..], |measured| &measured.report);
    if let Some(measured) = measured {
        let rounds = outcomes.iter().filter_map(|outcome| outcome.sides.first()).map(|side| side.rounds.len()).max().unwrap_or(0);
        let _ = writeln!(text, "{}.\n", measured.run.line());
        let _ = writeln!(
            text,
            "One picture at a time, each side in turn, {rounds} rounds. A ratio is the peer's processor time over ours, the median of the\n\
             rounds: above 1 we are faster. In parentheses is what the first release has to reach. ± is from the lowest to the highest\n\
             round in percent of the median. Quality is against an exact result in float; sharp is as it comes, `sharp best` and the\n\
             other peers as they are fastest.\n"
        );
    }
    text += "| work | ours | bytes | quality | sharp / ours | its bytes, quality | fastest peer / ours | its bytes, quality |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    for row in rows() {
        let outcome = outcomes.iter().find(|outcome| outcome.row.name == row.name);
        let Some((outcome, ours)) = outcome.and_then(|outcome| Some((outcome, outcome.sides.first()?))) else {
            let _ = writeln!(text, "| {} | not measured | | | ({:.2}) | | ({:.2}) | |", row.what, row.first, row.first_of_all);
            continue;
        };
        let of = |side: &crate::peers::Side| format!("{}, {}", side.bytes, quality(side));
        let sharp = outcome.sides.iter().find(|side| side.name == "sharp");
        let best = outcome.to_best();
        let _ = writeln!(
            text,
            "| {} | {:.0} ms ±{:.0} % | {} | {} | {} ({:.2}) | {} | {} ({:.2}) | {} |",
            row.what,
            cpu(ours),
            spread(ours),
            ours.bytes,
            quality(ours),
            sharp.map_or_else(|| "-".to_owned(), |side| format!("{:.2}", side.ratio)),
            row.first,
            sharp.map(of).unwrap_or_default(),
            best.map_or_else(|| "-".to_owned(), |side| format!("{} {:.2}", side.name, side.ratio)),
            row.first_of_all,
            best.map(of).unwrap_or_default(),
        );
    }
    text
}

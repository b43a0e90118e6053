//! Which scans a progressive file has: libjpeg's `jpeg_simple_progression`.

use crate::frame::{Color, Frame};
use crate::scan::MOST_BLOCKS;

/// One scan to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) components: Vec<usize>,
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) high: u8,
    pub(super) low: u8,
}

fn plan(components: &[usize], first: u8, last: u8, high: u8, low: u8) -> Plan {
    Plan { components: components.to_vec(), first, last, high, low }
}

/// One scan of all, or, where an MCU would have too many blocks, one of each.
fn together(frame: &Frame, high: u8, low: u8, last: u8) -> Vec<Plan> {
    let all: Vec<usize> = (0..frame.components.len()).collect();
    if frame.components.iter().map(|c| c.h * c.v).sum::<usize>() <= MOST_BLOCKS || all.len() == 1 {
        vec![plan(&all, 0, last, high, low)]
    } else {
        all.iter().map(|&index| plan(&[index], 0, last, high, low)).collect()
    }
}

/// The scans of a sequential file.
pub(super) fn sequential(frame: &Frame) -> Vec<Plan> {
    together(frame, 0, 0, 63)
}

/// The scans of a progressive file.
pub(super) fn progressive(frame: &Frame) -> Vec<Plan> {
    let mut plans = together(frame, 0, 1, 0);
    let each = |plans: &mut Vec<Plan>, first, last, high, low| {
        plans.extend((0..frame.components.len()).map(|index| plan(&[index], first, last, high, low)));
    };
    if frame.color() == Color::YCbCr {
        plans.push(plan(&[0], 1, 5, 0, 2));
        plans.push(plan(&[2], 1, 63, 0, 1));
        plans.push(plan(&[1], 1, 63, 0, 1));
        plans.push(plan(&[0], 6, 63, 0, 2));
        plans.push(plan(&[0], 1, 63, 2, 1));
        plans.extend(together(frame, 1, 0, 0));
        plans.push(plan(&[2], 1, 63, 1, 0));
        plans.push(plan(&[1], 1, 63, 1, 0));
        plans.push(plan(&[0], 1, 63, 1, 0));
    } else {
        each(&mut plans, 1, 5, 0, 2);
        each(&mut plans, 6, 63, 0, 2);
        each(&mut plans, 1, 63, 2, 1);
        plans.extend(together(frame, 1, 0, 0));
        each(&mut plans, 1, 63, 1, 0);
    }
    plans
}

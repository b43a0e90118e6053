//! The task graph of a job: names to order, what is ready first, what falls with a failed task.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::catalog::{Catalog, Lane};
use crate::task::TaskSpec;

/// A fault of the graph; names the task and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// An input that no task of the job has as its name.
    #[error("Task `{task}` names the input `{input}`, which is not a task of this job")]
    UnknownInput {
        /// The task at fault.
        task: String,
        /// The unknown name.
        input: String,
    },
    /// A task that is its own input.
    #[error("Task `{task}` names itself as its input")]
    SelfInput {
        /// The task at fault.
        task: String,
    },
    /// A cycle, listed from its first task back to it.
    #[error("Tasks wait for each other in a circle: {}", path.join(" -> "))]
    Cycle {
        /// Names along the circle; the first one is repeated at the end.
        path: Vec<String>,
    },
}

impl GraphError {
    /// The task whose `input` is at fault.
    pub fn task(&self) -> &str {
        match self {
            Self::UnknownInput { task, .. } | Self::SelfInput { task } => task,
            Self::Cycle { path } => path.first().map_or("", String::as_str),
        }
    }
}

/// Checks the graph and returns the task indices in an order in which each comes after its inputs (Kahn's algorithm, stable
/// with respect to the customer's order). All faults are reported, not the first one.
///
/// # Errors
/// Every unknown input and self-reference; or, where there is none of these, one cycle.
pub fn check(tasks: &[TaskSpec]) -> Result<Vec<usize>, Vec<GraphError>> {
    let index: HashMap<&str, usize> = tasks.iter().enumerate().map(|(i, task)| (task.name.as_str(), i)).collect();
    let mut faults = Vec::new();
    let mut dependents = vec![Vec::new(); tasks.len()];
    let mut waiting_for = vec![0usize; tasks.len()];
    for (i, task) in tasks.iter().enumerate() {
        for input in task.needs().collect::<HashSet<_>>() {
            match index.get(input.as_str()) {
                Some(&j) if j == i => faults.push(GraphError::SelfInput { task: task.name.clone() }),
                Some(&j) => {
                    dependents[j].push(i);
                    waiting_for[i] += 1;
                }
                None => faults.push(GraphError::UnknownInput { task: task.name.clone(), input: input.clone() }),
            }
        }
    }
    if !faults.is_empty() {
        faults.sort_by_key(ToString::to_string);
        return Err(faults);
    }
    let mut ready: VecDeque<usize> = (0..tasks.len()).filter(|&i| waiting_for[i] == 0).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(i) = ready.pop_front() {
        order.push(i);
        for &next in &dependents[i] {
            waiting_for[next] -= 1;
            if waiting_for[next] == 0 {
                ready.push_back(next);
            }
        }
    }
    if order.len() == tasks.len() { Ok(order) } else { Err(vec![GraphError::Cycle { path: cycle(tasks, &index, &waiting_for) }]) }
}

/// Walks inputs backwards from a task that never became ready until a name repeats: that stretch is a cycle.
fn cycle(tasks: &[TaskSpec], index: &HashMap<&str, usize>, waiting_for: &[usize]) -> Vec<String> {
    let mut seen: Vec<usize> = Vec::new();
    let mut at = waiting_for.iter().position(|&n| n > 0);
    while let Some(i) = at {
        if let Some(start) = seen.iter().position(|&s| s == i) {
            let mut path: Vec<String> = seen[start..].iter().rev().map(|&s| tasks[s].name.clone()).collect();
            path.extend(path.first().cloned());
            return path;
        }
        seen.push(i);
        at = tasks[i].needs().filter_map(|name| index.get(name.as_str()).copied()).find(|&j| waiting_for[j] > 0);
    }
    Vec::new()
}

/// Direct dependents of each task, by index, without repeats, in the customer's order.
pub fn dependents(tasks: &[TaskSpec]) -> Vec<Vec<usize>> {
    let mut result = vec![Vec::new(); tasks.len()];
    for (i, task) in tasks.iter().enumerate() {
        for (j, other) in tasks.iter().enumerate() {
            if i != j && task.needs().any(|name| *name == other.name) {
                result[j].push(i);
            }
        }
    }
    result
}

/// How many tasks take what each task makes as their input and work on it where pixels are worked on, by index.
pub fn readers(tasks: &[TaskSpec]) -> Vec<u32> {
    let reads = |task: &TaskSpec, name: &String| task.lane == Lane::Cpu && task.input.contains(name);
    let count = |of: &TaskSpec| tasks.iter().filter(|task| reads(task, &of.name)).count();
    tasks.iter().map(|of| u32::try_from(count(of)).unwrap_or(u32::MAX)).collect()
}

/// Notes in each task how many others take its files and what it makes.
pub fn note_readers(tasks: &mut [TaskSpec]) {
    let readers = readers(tasks);
    let names: HashMap<String, u32> = tasks.iter().map(|task| task.name.clone()).zip(readers.iter().copied()).collect();
    for (task, readers) in tasks.iter_mut().zip(readers) {
        task.readers = readers;
        let most = task.input.iter().filter_map(|input| names.get(input)).max().copied().unwrap_or(0);
        task.siblings = if task.lane == Lane::Cpu { most } else { 0 };
    }
}

/// Notes the imports whose files need not be stored: `keep` is false, and all who take them only look into them.
pub fn note_glances(tasks: &mut [TaskSpec], catalog: &Catalog) {
    let glances = |task: &TaskSpec| catalog.operation(&task.operation).is_some_and(|operation| operation.glances);
    let glanced = |of: &TaskSpec| {
        let mut takers = tasks.iter().filter(|task| task.needs().any(|name| *name == of.name)).peekable();
        !keeps(of) && takers.peek().is_some() && takers.all(|task| glances(task) && !task.beside.contains(&of.name))
    };
    let glanced: Vec<bool> = tasks.iter().map(glanced).collect();
    for (task, glanced) in tasks.iter_mut().zip(glanced) {
        task.glanced = glanced;
    }
}

/// Whether the customer may have the file of an import later.
pub fn keeps(task: &TaskSpec) -> bool {
    task.fields.get("keep") != Some(&serde_json::Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, input: &[&str]) -> TaskSpec {
        TaskSpec {
            name: name.into(),
            operation: "convert".into(),
            input: input.iter().map(|&s| s.to_owned()).collect(),
            lane: Lane::Cpu,
            credits: 1,
            ..TaskSpec::default()
        }
    }

    #[test]
    fn order_follows_inputs() {
        let tasks = [task("c", &["b"]), task("b", &["a"]), task("a", &[])];
        assert_eq!(check(&tasks), Ok(vec![2, 1, 0]), "inputs come first");
    }

    #[test]
    fn every_unknown_input_is_named() {
        let faults = check(&[task("a", &["x"]), task("b", &["y", "b"])]).expect_err("three faults");
        assert_eq!(faults.len(), 3, "x, y and b itself: {faults:?}");
    }

    #[test]
    fn tasks_know_who_reads_the_same_file() {
        let mut tasks =
            [task("in", &[]), task("a", &["in"]), task("b", &["in", "a"]), task("c", &["in"]), task("out", &["a", "b"])];
        (tasks[0].lane, tasks[4].lane) = (Lane::Io, Lane::Io);
        note_readers(&mut tasks);
        let counts: Vec<(u32, u32)> = tasks.iter().map(|task| (task.siblings, task.readers)).collect();
        assert_eq!(counts, [(0, 3), (3, 1), (3, 0), (3, 0), (0, 0)], "exports read no pixels");
    }

    #[test]
    fn a_file_is_not_stored_where_nobody_wants_it_whole() {
        let catalog = Catalog::builtin();
        let glanced = |keep: bool, takers: &[(&str, &str)], beside: bool| {
            let mut tasks = vec![task("in", &[]), task("other", &[])];
            tasks[0].fields.insert("keep".into(), keep.into());
            for (name, operation) in takers {
                tasks.push(TaskSpec { operation: (*operation).to_owned(), ..task(name, &["in"]) });
            }
            if beside {
                tasks.push(TaskSpec { operation: "thumbnail".into(), beside: vec!["in".into()], ..task("b", &["other"]) });
            }
            note_glances(&mut tasks, catalog);
            assert!(tasks[1..].iter().all(|task| !task.glanced), "only the import");
            tasks[0].glanced
        };
        let both = [("a", "thumbnail"), ("m", "metadata")];
        assert!(glanced(false, &both, false), "a look is enough for all of them");
        assert!(!glanced(true, &both, false), "it may be asked for later");
        assert!(!glanced(false, &[], false), "nobody takes it");
        assert!(!glanced(false, &[("a", "thumbnail"), ("c", "convert")], false), "one needs all of it");
        assert!(!glanced(false, &[("a", "thumbnail"), ("e", "export/url")], false), "an export gives it away");
        assert!(!glanced(false, &both, true), "what lies beside an input is read whole");
    }

    #[test]
    fn a_circle_is_spelled_out() {
        let faults = check(&[task("a", &["c"]), task("b", &["a"]), task("c", &["b"]), task("d", &[])]).expect_err("a circle");
        let GraphError::Cycle { path } = &faults[0] else { panic!("{faults:?}") };
        assert_eq!(path.len(), 4, "three tasks and the first again: {path:?}");
        assert_eq!(path.first(), path.last(), "closed");
    }
}

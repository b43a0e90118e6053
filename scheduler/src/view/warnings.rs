//! What a customer may want to know of a job though nothing is wrong with it.

use std::collections::HashSet;

use crate::catalog::Catalog;
use crate::task::{TaskRecord, TaskSpec};
use serde_json::{Value, json};

/// Tasks whose files nobody takes that are named one by one: a job of 999 would be told the same 999 times.
const MOST_UNUSED: usize = 10;

/// Whether the task hands files out.
fn exports(spec: &TaskSpec) -> bool {
    spec.operation.starts_with("export/")
}

/// The warnings that a job's tasks give before any of them has run.
pub fn of_plan<'a>(tasks: impl Iterator<Item = &'a TaskSpec> + Clone) -> Vec<Value> {
    let mut warnings = Vec::new();
    if !tasks.clone().any(exports) {
        let text = "No task exports the result: fetch it from /files/{file_id}/content, or add an export/url task for a link";
        warnings.push(json!({ "code": "NO_EXPORT", "message": text }));
    } else {
        let used: HashSet<&str> = tasks.clone().flat_map(|task| task.needs().map(String::as_str)).collect();
        let unused = tasks.clone().filter(|task| !exports(task) && !used.contains(task.name.as_str()));
        let more = unused.clone().count().saturating_sub(MOST_UNUSED);
        for task in unused.take(MOST_UNUSED) {
            let text = "Nothing takes the files of this task: name it as the input of another one, or fetch them from /files/{file_id}/content";
            warnings.push(json!({ "code": "UNUSED_OUTPUT", "task": task.name, "message": text }));
        }
        if more > 0 {
            let text = format!("Nothing takes the files of {more} more tasks either");
            warnings.push(json!({ "code": "UNUSED_OUTPUT", "message": text }));
        }
    }
    let catalog = Catalog::builtin();
    for task in tasks {
        let text = |key: &str| task.fields.get(key).and_then(Value::as_str);
        let (Some(name), Some(target)) = (text("filename"), text("output_format")) else { continue };
        let Some(extension) = name.rsplit_once('.').map(|(_, extension)| extension) else { continue };
        if catalog.format(extension).is_some_and(|format| format.name != target) {
            let text = format!("The file is named `.{extension}` and will be {target}");
            warnings.push(json!({ "code": "NAME_MISMATCH", "task": task.name, "message": text }));
        }
    }
    warnings
}

/// All warnings of a job as it stands: of its plan, and what its tasks have found in the files.
pub fn of_job(tasks: &[TaskRecord]) -> Vec<Value> {
    let mut warnings = of_plan(tasks.iter().map(|task| &task.spec));
    for task in tasks {
        let found = task.result.iter().flat_map(|result| &result.warnings);
        warnings.extend(found.map(|text| json!({ "code": "FILE", "task": task.spec.name, "message": text })));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_unused_tasks_some_are_named_and_the_rest_is_counted() {
        let spec = |name: String, operation: &str| TaskSpec { name, operation: operation.into(), ..TaskSpec::default() };
        let mut tasks: Vec<TaskSpec> = (0..998).map(|n| spec(format!("t{n}"), "import/url")).collect();
        tasks.push(spec("out".into(), "export/url"));
        let warnings = of_plan(tasks.iter());
        assert_eq!(warnings.len(), MOST_UNUSED + 1, "{warnings:?}");
        let last = &warnings[MOST_UNUSED];
        assert!(last["message"].as_str().is_some_and(|text| text.contains("988 more")), "{last}");
    }
}

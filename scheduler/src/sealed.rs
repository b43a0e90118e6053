//! Secret fields of a task (credentials, headers of an import): sealed before the task is stored, opened where it runs. The
//! catalogue says which they are. Redis, its files and its backups never hold them in the clear.

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, OperationEntry, OptionEntry};
use crate::seal::{SealError, Sealer};
use crate::task::TaskSpec;

/// The only key of an object that stands for a sealed value.
const SEALED: &str = "sealed";

/// Seals the secret fields of a task of `job`. Fields that are sealed already stay as they are.
///
/// # Errors
/// [`SealError::Io`] without random bytes.
pub fn seal_task(sealer: &Sealer, catalog: &Catalog, job: &str, spec: &mut TaskSpec) -> Result<(), SealError> {
    let TaskSpec { name, operation, fields, .. } = spec;
    let Some(operation) = catalog.operation(operation) else { return Ok(()) };
    each_secret(operation, fields, &mut |field, value| {
        if value.get(SEALED).is_some() || value.is_null() {
            return Ok(());
        }
        let sealed = sealer.seal(&place(job, name, field), value.to_string().as_bytes())?;
        *value = json!({ SEALED: sealed });
        Ok(())
    })
}

/// Whether a task has secrets to open.
pub fn has_secrets(catalog: &Catalog, spec: &TaskSpec) -> bool {
    let mut fields = spec.fields.clone();
    let mut found = false;
    if let Some(operation) = catalog.operation(&spec.operation) {
        // The visitor does not fail.
        let _ = each_secret(operation, &mut fields, &mut |_, value| {
            found |= value.get(SEALED).is_some();
            Ok(())
        });
    }
    found
}

/// Opens the secret fields of a task of `job`.
///
/// # Errors
/// [`SealError::Open`] when they were sealed with another key, or for another task.
pub fn open_task(sealer: &Sealer, catalog: &Catalog, job: &str, spec: &mut TaskSpec) -> Result<(), SealError> {
    let TaskSpec { name, operation, fields, .. } = spec;
    let Some(operation) = catalog.operation(operation) else { return Ok(()) };
    each_secret(operation, fields, &mut |field, value| {
        let Some(sealed) = value.get(SEALED).and_then(Value::as_str) else { return Ok(()) };
        let plain = sealer.open_text(&place(job, name, field), sealed)?;
        *value = serde_json::from_str(&plain).map_err(|_| SealError::Open)?;
        Ok(())
    })
}

/// Where a sealed value belongs; it opens nowhere else.
fn place(job: &str, task: &str, field: &str) -> String {
    format!("task:{job}/{task}/{field}")
}

fn each_secret(
    operation: &OperationEntry,
    fields: &mut Map<String, Value>,
    visit: &mut dyn FnMut(&str, &mut Value) -> Result<(), SealError>,
) -> Result<(), SealError> {
    let secret = |entries: &'_ [OptionEntry]| -> Vec<String> {
        entries.iter().filter(|entry| entry.kind.is_secret()).map(|entry| entry.name.clone()).collect()
    };
    for name in secret(&operation.fields) {
        if let Some(value) = fields.get_mut(&name) {
            visit(&name, value)?;
        }
    }
    if let Some(Value::Object(options)) = fields.get_mut("options") {
        for name in secret(&operation.options) {
            if let Some(value) = options.get_mut(&name) {
                visit(&name, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_open_where_they_were_sealed_and_nowhere_else() {
        let sealer = Sealer::from_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("a key");
        let catalog = Catalog::builtin();
        let fields = json!({
            "options": { "bucket": "b", "access_key_id": "AKIAMARKER", "secret_access_key": "MARKER", "key": "k" },
        });
        let plain = TaskSpec {
            name: "export".into(),
            operation: "export/s3".into(),
            fields: fields.as_object().cloned().unwrap_or_default(),
            ..TaskSpec::default()
        };
        let mut sealed = plain.clone();
        assert!(!has_secrets(catalog, &sealed), "nothing is sealed yet");
        seal_task(&sealer, catalog, "job_1", &mut sealed).expect("sealed");
        let text = serde_json::to_string(&sealed).expect("JSON");
        assert!(!text.contains("MARKER") && text.contains("\"bucket\":\"b\""), "the secrets, and only they: {text}");
        assert!(has_secrets(catalog, &sealed), "they are found");
        let mut twice = sealed.clone();
        seal_task(&sealer, catalog, "job_1", &mut twice).expect("again");
        assert_eq!(twice, sealed, "once is enough");
        let mut opened = sealed.clone();
        open_task(&sealer, catalog, "job_1", &mut opened).expect("opened");
        assert_eq!(opened, plain, "as it was");
        assert!(open_task(&sealer, catalog, "job_2", &mut sealed.clone()).is_err(), "not in another job");
        sealed.name = "other".into();
        assert!(open_task(&sealer, catalog, "job_1", &mut sealed).is_err(), "not in another task");
    }
}

//! The parameters of `POST /convert` as the job that they stand for, and that job's problems as problems of parameters.

use convertfly_scheduler::catalog::{Catalog, OptionKind};
use convertfly_scheduler::storage::names::sanitise_filename;
use serde_json::{Map, Value, json};

use super::form::short;
use super::{EXPORT, IMPORT};
use crate::error::{ApiError, Code};

/// The operation that does it.
const OPERATION: &str = "convert";

/// What the parameters are called here and in a task.
const ALIASES: [(&str, &str); 2] = [("to", "output_format"), ("from", "input_format")];

/// Parameters of the query and the form, as text.
pub(super) struct Options {
    pairs: Vec<(String, String)>,
    /// The file's name, where the form tells it.
    suggested: Option<String>,
}

impl Options {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Result<Self, ApiError> {
        let mut options = Self { pairs: Vec::new(), suggested: None };
        pairs.into_iter().try_for_each(|(name, value)| options.set(name, value))?;
        Ok(options)
    }

    /// Notes a parameter.
    ///
    /// # Errors
    /// `INVALID_DATA` for one that is there already.
    pub(super) fn set(&mut self, name: String, value: String) -> Result<(), ApiError> {
        let name = ALIASES.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| (*long).to_owned());
        if self.get(&name).is_some() {
            return Err(ApiError::field(Code::InvalidData, &short(here(&name)), "is given twice"));
        }
        self.pairs.push((name, value));
        Ok(())
    }

    pub(super) fn suggest_filename(&mut self, name: Option<&str>) {
        self.suggested = name.filter(|name| !name.is_empty()).map(sanitise_filename);
    }

    /// The name of the file that comes in.
    pub(super) fn filename(&self) -> String {
        self.get("filename").map(sanitise_filename).or_else(|| self.suggested.clone()).unwrap_or_else(|| "file".to_owned())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body of the job.
    ///
    /// # Errors
    /// `INVALID_DATA` without a format to convert to.
    pub(super) fn job(&self, catalog: &Catalog) -> Result<Value, ApiError> {
        if self.get("output_format").is_none() {
            return Err(ApiError::new(Code::InvalidData, "Missing required field: to")
                .with_details(json!({ "field": "to", "reason": "required: the format to convert to, such as ?to=webp" })));
        }
        let mut import = Map::new();
        import.insert("operation".into(), "import/upload".into());
        let mut convert = Map::new();
        convert.insert("operation".into(), OPERATION.into());
        convert.insert("input".into(), IMPORT.into());
        let mut options = Map::new();
        for (name, text) in &self.pairs {
            match name.as_str() {
                "output_format" | "input_format" => {
                    convert.insert(name.clone(), text.as_str().into());
                }
                "filename" => {}
                _ => {
                    options.insert(name.clone(), typed(catalog, name, text));
                }
            }
        }
        if let Some(format) = convert.get("input_format") {
            import.insert("input_format".into(), format.clone());
        }
        if self.get("filename").is_some() || self.suggested.is_some() {
            import.insert("filename".into(), self.filename().into());
        }
        convert.insert("options".into(), Value::Object(options));
        Ok(json!({ "tasks": {
            IMPORT: import,
            OPERATION: convert,
            EXPORT: { "operation": "export/url", "input": OPERATION },
        } }))
    }
}

/// A text as a value of the option's kind; what does not read stays a text, and is refused with the option's own words.
fn typed(catalog: &Catalog, name: &str, text: &str) -> Value {
    let operation = catalog.operation(OPERATION);
    let kind = operation.and_then(|operation| operation.options.iter().find(|entry| entry.name == name)).map(|entry| &entry.kind);
    match (kind, text) {
        (Some(OptionKind::Integer { .. } | OptionKind::IntegerOrWord { .. } | OptionKind::OneOfIntegers { .. }), _) => {
            text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
        }
        (Some(OptionKind::Number { .. }), _) => text.parse::<f64>().map_or_else(|_| text.into(), Value::from),
        (Some(OptionKind::Boolean), "true" | "1" | "") => true.into(),
        (Some(OptionKind::Boolean), "false" | "0") => false.into(),
        (None, _) if name == crate::validate::TIMEOUT => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}

/// What a field of a task is called here.
fn here(field: &str) -> &str {
    ALIASES.iter().find(|(_, long)| *long == field).map_or(field, |(short, _)| *short)
}

/// A problem of the job as one of the request: parameters have no tasks and no paths.
pub(super) fn translate(mut error: ApiError) -> ApiError {
    fn clean(entry: &mut Value, message: &mut String) {
        let Some(entry) = entry.as_object_mut() else { return };
        entry.remove("task");
        entry.remove("path");
        if let Some(field) = entry.get("field").and_then(Value::as_str) {
            let name = here(field).to_owned();
            *message = message.replacen(field, &name, 1);
            entry.insert("field".into(), name.into());
        }
    }
    if let Some(details) = error.details.as_deref_mut() {
        clean(details, &mut error.message);
        for entry in details.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
            let mut message = entry["message"].as_str().unwrap_or_default().to_owned();
            clean(entry, &mut message);
            entry["message"] = message.into();
        }
    }
    error
}

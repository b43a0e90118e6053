//! What the OpenAPI document says of one route, beside what follows from its row: see [`Doc`].

use serde_json::{Map, Value, json};

use crate::error::Code;

/// A chapter of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    /// Jobs.
    Jobs,
    /// The steps of a job.
    Tasks,
    /// Files that tasks made, by their identifiers.
    Files,
    /// Notifications.
    Webhooks,
    /// API keys.
    ApiKeys,
    /// Plan, limits and credits.
    Account,
    /// Formats and operations.
    Catalogue,
    /// Signed links.
    Storage,
    /// Health, metrics, and this document.
    Service,
}

impl Tag {
    /// Every chapter in the order of the reference: its title, and one line about it.
    pub(crate) const TABLE: [(Self, &'static str, &'static str); 9] = [
        (Self::Jobs, "Jobs", "A job is a container for one or more tasks that form a conversion pipeline."),
        (Self::Tasks, "Tasks", "Tasks are the steps of a job: import, convert, export. Each has a name, unique within its job."),
        (Self::Files, "Files", "Files that tasks have imported or made."),
        (Self::Webhooks, "Webhooks", "Signed notifications about jobs and tasks, sent to your server."),
        (Self::ApiKeys, "API keys", "Keys and what they may do."),
        (Self::Account, "Account", "Plan, limits, credits and their ledger."),
        (
            Self::Catalogue,
            "Formats and operations",
            "What can be converted into what, with which options and for how many credits.",
        ),
        (Self::Storage, "Uploads and downloads", "Signed links to files. The link is the permission: no API key is sent."),
        (Self::Service, "Service", "Health, metrics and this reference."),
    ];

    /// The chapter's title.
    pub(crate) fn title(self) -> &'static str {
        Self::TABLE.iter().find(|(tag, ..)| *tag == self).map_or("", |&(_, title, _)| title)
    }
}

/// What the document says of one route.
///
/// A row of the router cannot be written without one. Only what is particular to the route is said here; parameters in the
/// path, security, the headers of every answer, and the errors that any such route can give (400, 401, 403, 404, 408, 413,
/// 429, 500, 503) are added from the row by [`super::document`]. A whole one:
///
/// ```text
/// Doc::new("createWebhook", Tag::Webhooks, "Create a webhook")
///     .text("All payloads are signed.")
///     .body(reference("WebhookRequest"), json!({ "url": "https://your-app.com/hook", "events": ["job.finished"] }))
///     .data(201, "The webhook. Its secret is shown only here.", reference("Webhook"))
///     .errors(&[Code::Conflict])
/// ```
///
/// Named schemas are rows of [`super::schemas::table`]. Tests hold every answer of the API against what is said here: a
/// status, a field or a media type that is not described makes `cargo test -p convertfly-api openapi` fail.
#[derive(Clone, Debug)]
pub(crate) struct Doc {
    /// `operationId`: unique, camelCase, the name of the method in generated clients.
    pub(crate) id: &'static str,
    /// Chapter.
    pub(crate) tag: Tag,
    /// Title: a few words.
    pub(crate) summary: &'static str,
    /// What it does, in CommonMark.
    pub(crate) text: &'static str,
    /// OpenAPI parameter objects, without those of the path.
    pub(crate) parameters: Vec<Value>,
    /// OpenAPI request body object.
    pub(crate) body: Option<Value>,
    /// Successful answers: status and OpenAPI response object.
    pub(crate) answers: Vec<(u16, Value)>,
    /// Errors beside those that follow from the row.
    pub(crate) errors: Vec<Code>,
}

impl Doc {
    /// The start of a description.
    pub(crate) fn new(id: &'static str, tag: Tag, summary: &'static str) -> Self {
        Self { id, tag, summary, text: "", parameters: Vec::new(), body: None, answers: Vec::new(), errors: Vec::new() }
    }

    /// What it does, in CommonMark.
    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// A parameter after the question mark.
    pub(crate) fn query(self, name: &str, text: &str, schema: Value) -> Self {
        self.parameter("query", name, text, schema)
    }

    /// A request header.
    pub(crate) fn header(self, name: &str, text: &str, schema: Value) -> Self {
        self.parameter("header", name, text, schema)
    }

    /// A header that has to be there.
    pub(crate) fn required_header(mut self, name: &str, text: &str, schema: Value) -> Self {
        self.parameters.push(json!({ "name": name, "in": "header", "required": true, "description": text, "schema": schema }));
        self
    }

    fn parameter(mut self, place: &str, name: &str, text: &str, schema: Value) -> Self {
        self.parameters.push(json!({ "name": name, "in": place, "description": text, "schema": schema }));
        self
    }

    /// A JSON body that must be sent, and an example of it.
    pub(crate) fn body(mut self, schema: Value, example: Value) -> Self {
        self.body =
            Some(json!({ "required": true, "content": { "application/json": { "schema": schema, "example": example } } }));
        self
    }

    /// A body of raw bytes.
    pub(crate) fn bytes_body(mut self, text: &str) -> Self {
        self.body = Some(json!({ "required": true, "description": text, "content": { "*/*": {} } }));
        self
    }

    /// An answer `{"data": …}`.
    pub(crate) fn data(self, status: u16, text: &str, schema: Value) -> Self {
        self.json(status, text, json!({ "type": "object", "required": ["data"], "properties": { "data": schema } }))
    }

    /// A list: `{"data": [item, …], "meta": …}`.
    pub(crate) fn list(self, text: &str, item: Value, meta: Value) -> Self {
        let data = json!({ "type": "array", "items": item });
        self.json(
            200,
            text,
            json!({ "type": "object", "required": ["data", "meta"], "properties": { "data": data, "meta": meta } }),
        )
    }

    /// An answer of any JSON.
    pub(crate) fn json(mut self, status: u16, text: &str, schema: Value) -> Self {
        self.answers.push((status, json!({ "description": text, "content": { "application/json": { "schema": schema } } })));
        self
    }

    /// An answer of another media type, `*/*` if it is not known before.
    pub(crate) fn media(mut self, status: u16, text: &str, media: &str) -> Self {
        self.answers.push((status, json!({ "description": text, "content": { media: content(media) } })));
        self
    }

    /// A further text form of the last answer, for those who ask for it by `Accept`.
    pub(crate) fn or_text(mut self, media: &str) -> Self {
        if let Some(content) = self.answers.last_mut().and_then(|(_, answer)| answer["content"].as_object_mut()) {
            content.insert(media.to_owned(), self::content(media));
        }
        self
    }

    /// An answer without a body.
    pub(crate) fn empty(mut self, status: u16, text: &str) -> Self {
        self.answers.push((status, json!({ "description": text })));
        self
    }

    /// An example of the last answer.
    pub(crate) fn example(mut self, example: Value) -> Self {
        if let Some(media) = self.answers.last_mut().and_then(|(_, answer)| answer["content"]["application/json"].as_object_mut())
        {
            media.insert("example".to_owned(), example);
        }
        self
    }

    /// A header of the last answer, beside those of every answer.
    pub(crate) fn with(mut self, name: &str, text: &str, schema: Value) -> Self {
        if let Some(answer) = self.answers.last_mut().and_then(|(_, answer)| answer.as_object_mut())
            && let Some(headers) = answer.entry("headers").or_insert_with(|| Map::new().into()).as_object_mut()
        {
            headers.insert(name.to_owned(), json!({ "description": text, "schema": schema }));
        }
        self
    }

    /// Errors beside those that follow from the row.
    pub(crate) fn errors(mut self, errors: &[Code]) -> Self {
        self.errors.extend_from_slice(errors);
        self
    }
}

/// A schema of [`super::schemas::table`].
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object; every property named in `required` is always there.
pub(crate) fn object(text: &str, required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "description": text, "required": required, "properties": properties })
}

/// Text.
pub(crate) fn string(text: &str) -> Value {
    json!({ "type": "string", "description": text })
}

/// A whole number of 0 or more.
pub(crate) fn count(text: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": text })
}

/// A moment, UTC.
pub(crate) fn moment(text: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": text, "examples": ["2026-04-03T10:30:00Z"] })
}

/// An identifier with its prefix.
pub(crate) fn identifier(prefix: &str, text: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^{prefix}_[0-9A-Za-z]+$"), "description": text })
}

/// What a body that is no JSON looks like. Of a stream of events each one is described, for want of a word for the whole.
fn content(media: &str) -> Value {
    match media {
        "text/event-stream" => json!({ "schema": { "type": "object", "description": "Each event of the stream.", "properties": {
            "id": { "type": "string", "description": "The version of the job that the event tells of." },
            "event": { "type": "string", "enum": ["job", "task", "deleted"] },
            "data": { "type": "string", "description": "The job, the task with its `job_id`, or the identifier of the job that was deleted, as JSON." },
        } } }),
        text if text.starts_with("text/") => json!({ "schema": { "type": "string" } }),
        _ => json!({}),
    }
}

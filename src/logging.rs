//! Logs: readable on a terminal, JSON lines otherwise. Secrets are redacted by their type.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `CONVERTFLY_LOG` filters, for example `info` or `convertfly_worker=debug,info`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("CONVERTFLY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // The SDK writes the access keys of customers' buckets into its debug lines, so no setting opens those.
    let quiet = ["aws_credential_types", "aws_runtime", "aws_sdk_s3", "aws_sigv4", "aws_smithy_http", "aws_smithy_runtime"];
    let quiet = quiet.iter().chain(&["aws_smithy_runtime_api", "aws_smithy_http_client"]);
    let filter = quiet.fold(filter, |filter, name| match format!("{name}=warn").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first one's settings.
    let _ = if std::io::stderr().is_terminal() { builder.compact().try_init() } else { builder.json().try_init() };
}

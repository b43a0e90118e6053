//! Clients that submit over HTTP, and repeat what was not answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use super::Scene;
use crate::support::pictures;

const CLIENTS: usize = 16;

/// Starts the clients; each returns how often it had to repeat a call.
pub(super) fn start(scene: &Arc<Scene>, key: &str) -> Vec<JoinHandle<u32>> {
    let client = |_| {
        let (scene, key) = (Arc::clone(scene), key.to_owned());
        std::thread::spawn(move || run(&scene, &key))
    };
    scene.submitting.store(CLIENTS, Ordering::Relaxed);
    (0..CLIENTS).map(client).collect()
}

fn run(scene: &Scene, key: &str) -> u32 {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
    let agent: ureq::Agent = config.build().into();
    let mut repeated = 0;
    loop {
        let i = scene.begun.fetch_add(1, Ordering::Relaxed);
        if i >= scene.jobs {
            scene.submitting.fetch_sub(1, Ordering::Relaxed);
            return repeated;
        }
        while !scene.due(i) {
            std::thread::sleep(Duration::from_millis(10));
        }
        repeated += submit(scene, &agent, key, i);
    }
}

/// The body of job `i`; the same each time.
fn body(scene: &Scene, i: usize) -> Value {
    let import = if Scene::is_poison(i) {
        json!({"operation": "import/url", "url": format!("{}/{i}", scene.poison_url), "filename": "poison.png"})
    } else {
        let file = base64::engine::general_purpose::STANDARD.encode(pictures::png(64, 48, i as u32));
        json!({"operation": "import/base64", "file": file, "filename": format!("{i}.png")})
    };
    json!({"tag": format!("chaos-{i}"), "tasks": {
        "import": import,
        "convert": {"operation": "convert", "input": ["import"], "output_format": "png", "options": {"width": 40}},
        "export": {"operation": "export/url", "input": ["convert"]},
    }})
}

/// Submits job `i` until some API has said that it exists; returns how often that took another try.
fn submit(scene: &Scene, agent: &ureq::Agent, key: &str, i: usize) -> u32 {
    let text = body(scene, i).to_string();
    let deadline = Instant::now() + Duration::from_secs(300);
    let (mut tries, mut last) = (0, String::new());
    loop {
        let api = {
            let apis = scene.apis.read().expect("never poisoned");
            (!apis.is_empty()).then(|| apis[(i + tries as usize) % apis.len()].clone())
        };
        if let Some(api) = api {
            let request = agent.post(format!("{api}/api/v1/jobs")).header("authorization", format!("Bearer {key}"));
            let request = request.header("content-type", "application/json").header("idempotency-key", format!("chaos-{i}"));
            match request.send(text.as_str()) {
                Ok(answer) if answer.status() == 201 => return tries,
                // Redis is away, or the call that was cut off is still noted as in flight.
                Ok(mut answer) if matches!(answer.status().as_u16(), 409 | 429 | 503) => {
                    last = format!("{} {}", answer.status(), answer.body_mut().read_to_string().unwrap_or_default());
                }
                Ok(mut answer) => panic!("job {i}: {} {:?}", answer.status(), answer.body_mut().read_to_string()),
                // Killed in the middle: nobody knows whether the job exists. The key sees to it that there will be one.
                Err(error) => last = error.to_string(),
            }
            tries += 1;
        }
        assert!(Instant::now() < deadline, "job {i} is not accepted after {tries} tries: {last}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

//! A real, headless Chromium driven through ChromeDriver: pages, keys, pictures. What pages should show is the tests' matter.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::artefacts;

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--window-size=1280,760",
    "--hide-scrollbars",
];

/// ChromeDriver in a process of its own, ended when this goes.
pub struct Driver {
    child: Child,
    url: String,
}

impl Driver {
    /// Starts ChromeDriver on a free port.
    ///
    /// # Panics
    /// Where ChromeDriver is missing: `cargo xtask setup` installs it.
    pub fn start() -> Self {
        let mut command = Command::new("chromedriver");
        // With the browsers that it starts it is a group of its own, so that all of them can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is on the PATH; `cargo xtask setup` installs it");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.rsplit_once("successfully on port ")
                    .map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver says its port");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    /// A browser of its own with one page, opened at an address.
    pub async fn open(&self, url: &str) -> Page {
        let Value::Object(capabilities) = json!({ "goog:chromeOptions": { "args": FLAGS }, "goog:loggingPrefs": { "browser": "ALL" } })
        else {
            unreachable!("an object literal")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.url)
            .await
            .expect("chromium starts");
        client.goto(url).await.expect("the page opens");
        Page {
            client,
            driver: self.url.clone(),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A test that failed has left its pages open: their browsers would go on without their driver.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One page in a browser of its own.
pub struct Page {
    pub client: Client,
    driver: String,
}

impl Page {
    /// Evaluates an expression; what it gives must be JSON.
    pub async fn eval(&self, expression: &str) -> Value {
        self.client
            .execute(&format!("return ({expression})"), Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What a promise (or a call that may throw) comes to: `{"ok": …}`, or `{"error": …}` as the page's own `outcome` tells it.
    pub async fn settled(&self, promise: &str) -> Value {
        let script =
            format!("const done = arguments[0]; outcome(async () => ({promise})).then(done)");
        self.client
            .execute_async(&script, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{promise}: {error}"))
    }

    /// Waits until an expression is truthy and gives its value.
    pub async fn until(&self, what: &str, expression: &str, patience: Duration) -> Value {
        let begun = Instant::now();
        loop {
            let value = self
                .client
                .execute(&format!("return ({expression})"), Vec::new())
                .await
                .unwrap_or(Value::Null);
            let falsy =
                value.is_null() || value == json!(false) || value == json!(0) || value == json!("");
            if !falsy {
                return value;
            }
            if begun.elapsed() > patience {
                self.picture("failed").await;
                panic!(
                    "{what}: `{expression}` was still {value} after {patience:?}\nconsole: {}",
                    self.console().await
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Presses or lets go of a key, by its `code`, as the page sees it.
    pub async fn key(&self, code: &str, down: bool) {
        let kind = if down { "keydown" } else { "keyup" };
        self.eval(&format!(
            "dispatchEvent(new KeyboardEvent('{kind}', {{ code: '{code}', bubbles: true }}))"
        ))
        .await;
    }

    /// Takes the network away from the page, or gives it back: what Chromium itself does in its developer tools.
    pub async fn offline(&self, offline: bool) {
        let session = self.client.session_id().await;
        let session = session.expect("a session").expect("it is open");
        let conditions = json!({ "offline": offline, "latency": 0, "download_throughput": -1, "upload_throughput": -1 });
        let body = json!({ "network_conditions": conditions }).to_string();
        let path = format!("/session/{session}/chromium/network_conditions");
        let answer = self.ask_driver(&path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A command of Chromium's developer tools.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        let session = self.client.session_id().await;
        let session = session.expect("a session").expect("it is open");
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let path = format!("/session/{session}/goog/cdp/execute");
        let answer = self.ask_driver(&path, &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A command that WebDriver itself does not know.
    async fn ask_driver(&self, path: &str, body: &str) -> String {
        let host = self.driver.trim_start_matches("http://");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(host).await.expect("chromedriver");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("a question");
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    /// Keeps a picture of the page as an artefact.
    pub async fn picture(&self, name: &str) {
        if let Ok(png) = self.client.screenshot().await {
            std::fs::write(artefacts().join(format!("{name}.png")), png)
                .expect("artefacts can be written");
        }
    }

    /// What the page's console says, for messages of failed tests.
    pub async fn console(&self) -> String {
        self.client
            .execute("return JSON.stringify(window.__log ?? [])", Vec::new())
            .await
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Closes the browser.
    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}

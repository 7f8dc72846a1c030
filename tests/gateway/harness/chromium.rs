//! A real browser: Debian's Chromium, led by its driver.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{TypingData, prelude::*};

use super::{PATIENCE, Running, free_port};

/// How often a page is looked at while something must happen on it.
const INTERVAL: Duration = Duration::from_millis(50);

/// A browser that has never been anywhere.
pub struct Chromium {
    // In this order: the session ends, and the browser with it, before its driver and its files go.
    driver: WebDriver,
    _chromedriver: Running,
    _profile: TempDir,
}

/// What a page is looked at with.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// What to call it where something is wrong.
    pub name: &'static str,
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Held in a hand: touched, and with more pixels than it says.
    pub mobile: bool,
    /// Whether its owner prefers dark pages.
    pub dark: bool,
}

impl Screen {
    /// On a desk.
    pub const fn desk(name: &'static str, dark: bool) -> Self {
        let (width, height, mobile) = (1280, 800, false);
        Self {
            name,
            width,
            height,
            mobile,
            dark,
        }
    }

    /// In a hand.
    pub const fn phone(name: &'static str, dark: bool) -> Self {
        let (width, height, mobile) = (390, 844, true);
        Self {
            name,
            width,
            height,
            mobile,
            dark,
        }
    }
}

impl Chromium {
    /// Starts one.
    pub async fn start() -> Self {
        Self::with_preferences(json!({})).await
    }

    /// Starts one whose owner has switched JavaScript off.
    pub async fn without_scripts() -> Self {
        Self::with_preferences(json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn with_preferences(preferences: Value) -> Self {
        let port = free_port();
        let mut command = Command::new("/usr/bin/chromedriver");
        let chromedriver = Running::start(command.arg(format!("--port={port}")), "started successfully");
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary("/usr/bin/chromium").unwrap();
        for argument in [
            "--headless",
            // The tests may run as root, for whom Chromium has no sandbox. They open pages of their own alone.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,800",
            // It goes nowhere but to this machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities
            .add_experimental_option("prefs", preferences)
            .unwrap();
        // The certificates are self-signed.
        capabilities.accept_insecure_certs(true).unwrap();
        capabilities
            .set_browser_log_level(thirtyfour::LoggingPrefsLogLevel::All)
            .unwrap();
        // The session is ended by a thread of its own while the test's waits for it: a connection that is kept would
        // be served by nobody.
        let client = super::gateway::client_builder().pool_max_idle_per_host(0);
        let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities);
        let driver = driver.client(client.timeout(PATIENCE * 3).build().unwrap());
        let driver = driver.await.unwrap();
        // Without a desk nothing gives its window the focus, without which no style of `:focus` applies.
        let focused = json!({ "enabled": true });
        let cdp = driver.cdp();
        cdp.send_raw("Emulation.setFocusEmulationEnabled", focused)
            .await
            .unwrap();
        Self {
            driver,
            _chromedriver: chromedriver,
            _profile: profile,
        }
    }

    /// Opens an address and waits until the page is there.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Path and query of the page that is shown.
    pub async fn location(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        }
    }

    /// Waits until an element that fits the CSS selector can be seen, and returns it.
    pub async fn find(&self, css: &str) -> WebElement {
        self.sees(css, "").await
    }

    /// Waits until such an element can be seen that has `text` in it, and returns it.
    pub async fn sees(&self, css: &str, text: &str) -> WebElement {
        let wanted = text.to_owned();
        // The page may be on its way out, and its elements with it.
        let query = self.driver.query(By::Css(css)).ignore_errors(true);
        let query = query
            .and_displayed()
            .with_text(move |found: &str| found.contains(&wanted));
        match query.wait(PATIENCE, INTERVAL).first().await {
            Ok(element) => element,
            Err(error) => panic!("no {css} with {text:?}: {error}\n{}", self.describe().await),
        }
    }

    /// How many such elements there are at this moment.
    pub async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    /// Clicks on an element.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    /// Clicks on what leads to another page, and waits until this one is gone.
    pub async fn follow(&self, css: &str) {
        let element = self.find(css).await;
        element.click().await.unwrap();
        let gone = element.wait_until().wait(PATIENCE, INTERVAL).stale().await;
        gone.unwrap_or_else(|error| panic!("{css} leads nowhere: {error}"));
    }

    /// Types into a field.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap();
    }

    /// What is in a field.
    pub async fn value(&self, css: &str) -> String {
        self.find(css).await.value().await.unwrap().unwrap()
    }

    /// Presses keys, wherever the focus is.
    pub async fn press(&self, keys: impl Into<TypingData>) {
        let chain = self.driver.action_chain().send_keys(keys);
        chain.perform().await.unwrap();
    }

    /// Waits until an element has the focus, named by its id, or else by what it is and says.
    pub async fn focuses(&self, element: &str) {
        let script =
            "const it = document.activeElement; return it.id || it.localName + ': ' + it.innerText.trim()";
        let focuses = async {
            while self.evaluate(script).await != element {
                tokio::task::yield_now().await;
            }
        };
        super::soon(element, focuses).await;
    }

    /// Fills in the login page that is shown, and sends it off.
    pub async fn sign_in(&self, username: &str, password: &str) {
        self.type_into("#username", username).await;
        self.type_into("#password", password).await;
        self.follow("button[type=submit]").await;
    }

    /// Evaluates the body of a function in the page. No Content-Security-Policy holds it back.
    pub async fn evaluate(&self, script: &str) -> Value {
        let result = self.driver.execute(script, Vec::new()).await;
        result
            .unwrap_or_else(|error| panic!("{error}\n{script}"))
            .json()
            .clone()
    }

    /// The same for what takes its time: the script calls the last of its `arguments` when it is done.
    pub async fn evaluate_async(&self, script: &str) -> Value {
        let result = self.driver.execute_async(script, Vec::new()).await;
        result.unwrap().json().clone()
    }

    /// Looks at the page with this screen from now on. Nothing moves while it is looked at.
    pub async fn look(&self, screen: Screen) {
        let metrics = json!({
            "width": screen.width,
            "height": screen.height,
            "deviceScaleFactor": if screen.mobile { 2 } else { 1 },
            "mobile": screen.mobile,
        });
        let scheme = if screen.dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        let cdp = self.driver.cdp();
        for (method, parameters) in [
            ("Emulation.setDeviceMetricsOverride", metrics),
            ("Emulation.setEmulatedMedia", features),
        ] {
            cdp.send_raw(method, parameters).await.unwrap();
        }
    }

    /// What the browser complained about since it was last asked, but for answers that are no success: violations of
    /// a Content-Security-Policy, failing scripts, and whatever else stands in a developer's console.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        log.into_iter()
            .filter(|entry| !entry.message.contains("the server responded with a status of"))
            .map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }

    /// Waits until the browser complains about something.
    pub async fn complains(&self, about: &str) {
        let complains = async {
            while !self.complaints().await.iter().any(|line| line.contains(about)) {
                tokio::task::yield_now().await;
            }
        };
        super::soon(about, complains).await;
    }

    /// What to show when something is not as it was expected.
    async fn describe(&self) -> String {
        let page = self
            .evaluate("return location.href + '\\n' + document.body.outerHTML")
            .await;
        page.as_str().unwrap_or_default().to_owned()
    }
}

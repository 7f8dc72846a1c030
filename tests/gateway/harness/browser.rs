//! What a browser does, as far as cookies, forms and navigation go. The real one is in `crate::chromium`.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{
    Response,
    cookie::{CookieStore, Jar},
};

/// A browser with cookies of its own. It follows no redirect, so that tests see each.
pub struct Browser {
    client: reqwest::Client,
    base: String,
    jar: Arc<Jar>,
}

impl Browser {
    pub(super) fn new(base: &str) -> Self {
        Self::build(base, super::gateway::client_builder())
    }

    /// A browser for a site whose name only this test knows the address of.
    pub fn resolving(base: &str, host: &str, address: SocketAddr) -> Self {
        Self::build(base, super::gateway::client_builder().resolve(host, address))
    }

    fn build(base: &str, client: reqwest::ClientBuilder) -> Self {
        let jar = Arc::new(Jar::default());
        Self {
            client: client.cookie_provider(Arc::clone(&jar)).build().unwrap(),
            base: base.to_owned(),
            jar,
        }
    }

    /// A request that a page's script makes.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        request
            .header("origin", &self.base)
            .header("sec-fetch-mode", "cors")
    }

    /// The cookies that a request for this path carries, as its header.
    pub fn cookies(&self, path: &str) -> String {
        let url = format!("{}{path}", self.base).parse().unwrap();
        let header = self.jar.cookies(&url);
        header.map_or_else(String::new, |header| header.to_str().unwrap().to_owned())
    }

    /// Opens an address as a person does.
    pub async fn navigate(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base));
        as_navigation(request).send().await.unwrap()
    }

    /// Sends a form as one of the gateway's own pages does.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.base)).form(fields);
        let request = request.header("origin", &self.base);
        as_navigation(request).send().await.unwrap()
    }

    /// Opens the login page at `login` and sends its form, hidden fields and all.
    pub async fn submit_login(
        &self,
        login: &str,
        username: &str,
        password: &str,
        more: &[(&str, &str)],
    ) -> Response {
        let page = self.navigate(login).await.text().await.unwrap();
        let (csrf, return_to) = (hidden_field(&page, "csrf"), hidden_field(&page, "return_to"));
        let mut fields = vec![
            ("username", username),
            ("password", password),
            ("csrf", &csrf),
            ("return_to", &return_to),
        ];
        fields.extend(more);
        self.submit("/.auth/login", &fields).await
    }
}

/// The headers by which a browser says that a person is waiting for a page.
pub fn as_navigation(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request
        .header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "same-origin")
}

/// The value of a hidden field of a page.
#[track_caller]
pub fn hidden_field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&mark)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    let (value, _) = rest.split_once('"').unwrap();
    value.replace("&#38;", "&").replace("&#61;", "=")
}

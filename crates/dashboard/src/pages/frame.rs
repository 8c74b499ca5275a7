//! What stands around every page.

/// The title, and where in the dashboard a page is.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The page's own title.
    pub(crate) title: String,
    /// The run, on pages of one.
    pub(crate) run: Option<String>,
    /// Which entry of the navigation is the page's.
    pub(crate) tab: &'static str,
}

impl Frame {
    /// A page of a run. Its name was looked up and can be no markup.
    pub(crate) fn of_run(run: &str, tab: &'static str, title: &str) -> Self {
        Self {
            title: title.to_owned(),
            run: Some(run.to_owned()),
            tab,
        }
    }
}

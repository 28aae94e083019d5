use crate::error::Result;
use crate::spend::Report;

/// tmp
pub fn spend_html(_report: &Report) -> Result<String> {
    Ok(String::new())
}

//! Files for `vllm run-batch`, which takes and gives the lines of OpenAI's batches: for a machine
//! that has graphics cards and no network.

use super::client::BatchResult;
use super::entry::Entries;
use super::files::{Flavor, lines};
use crate::{ChatModel, ChatRequest, ProviderError, RemoteModel};

/// Writes the file to give to `vllm run-batch -i`.
pub fn write_offline(
    model: &RemoteModel,
    requests: &[(String, ChatRequest)],
) -> Result<Vec<u8>, ProviderError> {
    let body = |(name, request): &(String, ChatRequest)| {
        let body = model.adapter().body(&model.call(request))?;
        Ok((name.clone(), body))
    };
    let bodies: Vec<_> = requests.iter().map(body).collect::<Result<_, _>>()?;
    let endpoint = match model.spec().interface {
        autodidact_core::Interface::Chat => "/v1/chat/completions",
        autodidact_core::Interface::Completions => "/v1/completions",
    };
    Ok(lines(Flavor::Openai, endpoint, &bodies))
}

/// Reads the file that `vllm run-batch -o` wrote: one result for each request, in their order.
pub fn read_offline(
    model: &RemoteModel,
    requests: &[(String, ChatRequest)],
    file: &[u8],
) -> Vec<BatchResult> {
    let mut entries = Entries::new(model, requests);
    entries.put_lines(file);
    entries.finish()
}

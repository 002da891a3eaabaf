//! Reflection, v1 and v1alpha (older tools know only that one). The types of
//! error details are registered too, so that tools can print them.

use tonic::service::Routes;
use tonic_reflection::{
    pb,
    server::{Builder, Error},
};

use super::pb::FILE_DESCRIPTOR_SET;

/// Each version lists both of them, not only itself.
fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .include_reflection_service(false)
        .register_encoded_file_descriptor_set(pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb::v1alpha::FILE_DESCRIPTOR_SET)
}

/// Adds both versions. Descriptors are fixed at build time and a test builds
/// them; a server would rather run without reflection than not at all.
pub(super) fn add_to(routes: Routes) -> Routes {
    match try_add_to(routes.clone()) {
        Ok(routes) => routes,
        Err(error) => {
            tracing::error!(%error, "reflection is not served");
            routes
        }
    }
}

fn try_add_to(routes: Routes) -> Result<Routes, Error> {
    Ok(routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptors_fit_together() {
        try_add_to(Routes::default()).map(|_| ()).expect("every descriptor set is complete");
    }
}

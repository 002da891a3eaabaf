//! Compiles `proto/` without needing protoc.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files([
        "envoy/service/auth/v3/external_auth.proto",
        "tokenward/auth/v1/auth.proto",
        "tokenward/admin/v1/audit_service.proto",
        "tokenward/admin/v1/client_service.proto",
        "tokenward/admin/v1/key_service.proto",
        "tokenward/admin/v1/one_time_token_service.proto",
        "tokenward/admin/v1/session_service.proto",
        "tokenward/admin/v1/user_service.proto",
    ])?;

    // Reflection serves the descriptors, comments included.
    let descriptors = PathBuf::from(env::var("OUT_DIR")?).join("tokenward_descriptor.bin");
    fs::write(descriptors, compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        // A malformed message is the caller's mistake: see grpc/codec.rs.
        .codec_path("crate::grpc::codec::Codec")
        // Secrets must not be printable by accident.
        .skip_debug([".tokenward.auth.v1", ".tokenward.admin.v1", ".envoy"])
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .enum_attribute(".tokenward.auth.v1.InactiveReason", "#[derive(Debug)]")
        .enum_attribute(".tokenward.admin.v1.KeyPurpose", "#[derive(Debug)]")
        .enum_attribute(".tokenward.admin.v1.KeyState", "#[derive(Debug)]")
        .enum_attribute(".tokenward.admin.v1.VerifiableIdentifier", "#[derive(Debug)]")
        .enum_attribute(".tokenward.admin.v1.Rotation", "#[derive(Debug)]")
        .compile_fds(without_comments(compiler.file_descriptor_set()))?;
    Ok(())
}

/// Protobuf comments are not written as rustdoc; the generated code stays
/// without them.
fn without_comments(mut files: prost_types::FileDescriptorSet) -> prost_types::FileDescriptorSet {
    for file in &mut files.file {
        file.source_code_info = None;
    }
    files
}

package main

// The client, from Tokenward's own description. Needs protoc and the tools of
// go.mod: `GOBIN=$PWD/bin go install tool`, and that folder in PATH.
//
//go:generate protoc -I ../../proto --go_out=. --go_opt=module=example.org/articles,Mtokenward/auth/v1/auth.proto=example.org/articles/tokenward/auth/v1 --go-grpc_out=. --go-grpc_opt=module=example.org/articles,Mtokenward/auth/v1/auth.proto=example.org/articles/tokenward/auth/v1 tokenward/auth/v1/auth.proto

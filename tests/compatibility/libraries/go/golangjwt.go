package main

import (
	"context"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func golangJwt(ctx context.Context, asked question) (judge, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{asked.JwksURL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256"}),
		jwt.WithIssuer(asked.Issuer),
		jwt.WithAudience(asked.Audience),
		jwt.WithExpirationRequired(),
	)
	return func(token string) error {
		_, err := parser.Parse(token, keys.Keyfunc)
		return err
	}, nil
}

package main

import (
	"context"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

func jwx(ctx context.Context, asked question) (judge, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	if err := cache.Register(ctx, asked.JwksURL); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(asked.JwksURL)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		_, err := jwt.ParseString(token,
			jwt.WithKeySet(keys),
			jwt.WithIssuer(asked.Issuer),
			jwt.WithAudience(asked.Audience),
			jwt.WithRequiredClaim(jwt.ExpirationKey),
		)
		return err
	}, nil
}

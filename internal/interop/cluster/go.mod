module github.com/mojosocket/mojo/internal/interop/cluster

go 1.26.0

require (
	github.com/mojosocket/mojo v0.0.0
	github.com/mojosocket/mojo/mojoredis v0.0.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/stretchr/testify v1.12.1
	go.uber.org/goleak v1.3.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/ws v1.5.0 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	github.com/mojosocket/mojo/internal/msgjson v0.0.0 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace (
	github.com/mojosocket/mojo => ../../..
	github.com/mojosocket/mojo/internal/msgjson => ../../msgjson
	github.com/mojosocket/mojo/mojoredis => ../../../mojoredis
)

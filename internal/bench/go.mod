module github.com/mojosocket/mojo/internal/bench

go 1.26.0

require (
	github.com/mojosocket/mojo v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/ws v1.5.0 // indirect
	github.com/gorilla/securecookie v1.1.2 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/mojosocket/mojo => ../..

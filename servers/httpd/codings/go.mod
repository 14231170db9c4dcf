module github.com/weir-go/weir/servers/httpd/codings

go 1.26.0

require (
	github.com/andybalholm/brotli v1.1.1
	github.com/klauspost/compress v1.18.2
	github.com/stretchr/testify v1.12.1
	github.com/weir-go/weir v0.0.0
)

replace github.com/weir-go/weir => ../../../

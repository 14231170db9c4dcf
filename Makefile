.PHONY: fmt lint test bench

golangci-lint := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

fmt:
	gofmt -w .

# Every module of go.work. The first run builds the linter, which takes a minute or two.
lint:
	set -e; for dir in $$(go list -m -f '{{.Dir}}'); do (cd $$dir && go run $(golangci-lint) run ./...); done

test:
	go test work

bench:
	go run ./bench

package httpc

import (
	"errors"
	"net/http"

	"github.com/weir-go/weir/chanio"
	"github.com/weir-go/weir/internal/http1"
)

// Transport is the [http.RoundTripper] of a Client, without redirects, cookies, authentication and retries.
type Transport struct {
	cfg        Config
	limits     http1.Limits
	codings    string // value of Accept-Encoding
	proxyAsked bool   // Config.Proxy was set
	pool       *pool
	broken     error // error of the Config; no request is sent
	protocols  http.Protocols
	apart      apart
	wire       *wire // or nil
}

func newTransport(cfg *Config) *Transport {
	t := &Transport{cfg: cfg.complete()}
	t.proxyAsked = cfg != nil && cfg.Proxy != nil
	t.limits = t.cfg.limits()
	if t.protocols = protocolsOf(t.cfg.Protocols); t.protocols == (http.Protocols{}) {
		t.protocols.SetHTTP1(true)
		t.protocols.SetHTTP2(true)
	}
	t.codings = acceptEncoding(t.cfg.Codings)
	if t.cfg.Wire != nil {
		t.wire = &wire{cfg: &t.cfg}
	}
	t.pool = newPool(t)
	t.broken = t.cfg.check()
	return t
}

// check returns an error for contradictory settings.
func (cfg *Config) check() error {
	if cfg.Connect.Proxy != nil {
		return errors.New("httpc: Config.Connect has a Proxy: Config.Proxy is the place for it")
	}
	if cfg.Connect.Allow != nil && cfg.Dial != nil {
		return errors.New("httpc: Config has Dial and Connect.Allow, which cannot see what Dial connects to: use one or the other")
	}
	return cfg.checkFields()
}

// checkFields returns an error for fields that cannot be sent in the head of a request, as validate does for a request.
func (cfg *Config) checkFields() error {
	if !http1.ValidValue(cfg.UserAgent) {
		return invalid("invalid Config.UserAgent")
	}
	for name, values := range cfg.ProxyHeader {
		if !http1.ValidToken(name) {
			return invalid("invalid field name %q in Config.ProxyHeader", name)
		}
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding":
			return invalid("invalid field %q in Config.ProxyHeader: it depends on the request", name)
		}
		for _, v := range values {
			if !http1.ValidValue(v) {
				return invalid("invalid value of the field %q in Config.ProxyHeader", name) // it may be a secret
			}
		}
	}
	for _, c := range cfg.Codings {
		if !http1.ValidToken(c.Name()) {
			return invalid("invalid name %q in Config.Codings", c.Name())
		}
	}
	return nil
}

// RoundTrip implements http.RoundTripper with its whole contract: it does not modify r, always closes its Body,
// possibly after RoundTrip has returned, calls the hooks of its httptrace, and reports timeouts as net.Errors. The body
// of a response to an Upgrade or a CONNECT is an io.ReadWriteCloser, which the caller must close.
//
// The ctx of r bounds the whole request, including the body of the response.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x, err := t.prepare(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, err := t.exchange(x)
	if err != nil {
		return nil, err
	}
	if x.expects && resp.StatusCode == http.StatusExpectationFailed && x.rewind() {
		_ = resp.Body.Close()
		x.expects = false
		if resp, err = t.exchange(x); err != nil {
			return nil, err
		}
	}
	x.closeBody() // the server did not want it, if it is still open
	t.undoCoding(x, resp)
	return resp, nil
}

// exchange makes attempts until one succeeds or no other is allowed.
func (t *Transport) exchange(x *exchange) (*http.Response, error) {
	for {
		c, err := t.conn(x)
		if err != nil {
			return nil, x.fail(err)
		}
		resp, failure := attempt(c, x)
		if failure == nil {
			if x.misdirected(resp) || x.tooLate(resp) {
				continue
			}
			x.acted = true
			x.tellCall()
			return resp, nil
		}
		x.acted = x.acted || failure.sent && !failure.spare
		x.unfit = x.unfit || x.sender.isUnfit()
		if !x.mayRepeat(failure) {
			return nil, x.fail(failure.err)
		}
		if err := x.pause(failure); err != nil {
			return nil, x.fail(err)
		}
	}
}

// attempt makes one attempt of x on c. It releases c if a hook of the trace panics.
func attempt(c carrier, x *exchange) (*http.Response, *attemptError) {
	returned := false
	defer func() {
		if !returned {
			c.abandon(x)
			x.closeBody()
		}
	}()
	x.attempts++
	x.sender, x.stream = nil, nil
	c.gotConn(x.trace)
	resp, failure := c.roundTrip(x)
	returned = true
	return resp, failure
}

func protocolsOf(p *http.Protocols) http.Protocols {
	if p == nil {
		return http.Protocols{}
	}
	return *p
}

// conn returns a connection for x.
func (t *Transport) conn(x *exchange) (carrier, error) {
	if trace := x.trace; trace != nil && trace.GetConn != nil {
		trace.GetConn(x.addr())
	}
	if x.ctx.Err() != nil {
		return nil, chanio.Cause(x.ctx)
	}
	c, err := t.extend(x)
	if c == nil && err == nil {
		c, err = t.pool.get(x)
	}
	return c, err
}

// addr returns the address that the connection of x leads to.
func (x *exchange) addr() string {
	if x.to.addr == "" {
		return hostPort(x.proxy)
	}
	return x.to.addr
}

// CloseIdleConnections closes the idle connections.
func (t *Transport) CloseIdleConnections() { t.pool.closeIdle() }

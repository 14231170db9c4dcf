package tlsconf

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// site is the configuration of one server name.
type site struct {
	fields *Server
	outer  *site       // the server's, or nil if this is it
	above  *tls.Config // the configuration of outer, or nil
	id     identity
	cas    authorities
	choose func(*tls.ClientHelloInfo) (*tls.Config, error) // of Base, or nil

	mu     sync.Mutex
	config *tls.Config // replaced when the authorities change
}

// newSite returns the site of host. For the server itself, host is "" and outer is nil; otherwise outer is the server's
// site.
func newSite(host string, s *Server, outer *site, log *slog.Logger) (*site, error) {
	t := &site{fields: s, outer: outer}
	var err error
	if t.id, err = s.identity(log); err != nil {
		return nil, inHost(host, err)
	}
	if t.cas, err = s.authorities(log); err != nil {
		return nil, inHost(host, err)
	}
	base := s.Base
	if outer != nil {
		t.above = outer.config
		base = cmp.Or(base, outer.fields.Base)
	}
	cfg := base.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.Certificates = slices.Clone(cfg.Certificates)
	t.choose, cfg.GetConfigForClient = cfg.GetConfigForClient, nil
	t.apply(cfg)
	if err := t.check(cfg); err != nil {
		return nil, inHost(host, err)
	}
	t.config = cfg
	return t, nil
}

// apply sets what takes precedence over cfg, which comes from Base.
func (t *site) apply(cfg *tls.Config) {
	if t.outer != nil {
		t.inherit(cfg)
	}
	t.limit(cfg)
	if files := t.id.files; files != nil {
		//lint:ignore SA1019 a Base may still have it
		cfg.Certificates, cfg.NameToCertificate = nil, nil
		cfg.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.get(), nil }
	} else if len(t.id.given) > 0 {
		//lint:ignore SA1019 a Base may still have it
		cfg.Certificates, cfg.NameToCertificate, cfg.GetCertificate = t.id.given, nil, nil
	}
	t.trust(cfg)
}

// inherit completes cfg, which comes from the Base of a host or of its server. A host has its own certificates and
// authorities, so those of the server's Base are removed.
func (t *site) inherit(cfg *tls.Config) {
	if t.isHeir() {
		//lint:ignore SA1019 a Base may still have it
		cfg.Certificates, cfg.NameToCertificate, cfg.GetCertificate = nil, nil, nil
		cfg.ClientCAs, cfg.ClientAuth = nil, tls.NoClientCert
		t.outer.limit(cfg)
		return
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = t.above.MinVersion
	}
	if cfg.MaxVersion == 0 {
		cfg.MaxVersion = t.above.MaxVersion
	}
	if len(cfg.NextProtos) == 0 {
		cfg.NextProtos = t.above.NextProtos
	}
}

// isHeir reports whether t is a host that uses the server's Base.
func (t *site) isHeir() bool { return t.outer != nil && t.fields.Base == nil }

// limit sets the versions and protocols.
func (t *site) limit(cfg *tls.Config) {
	s := t.fields
	if s.MinVersion != 0 {
		cfg.MinVersion = s.MinVersion
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if len(s.ALPN) > 0 {
		cfg.NextProtos = slices.Clone(s.ALPN)
	} else if len(cfg.NextProtos) == 0 {
		cfg.NextProtos = slices.Clone(s.DefaultALPN)
	}
}

// trust sets the trusted authorities.
func (t *site) trust(cfg *tls.Config) {
	pool := t.cas.pool()
	if pool != nil {
		cfg.ClientCAs = pool
	}
	if t.fields.ClientAuth != tls.NoClientCert {
		cfg.ClientAuth = t.fields.ClientAuth
	} else if pool != nil {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// Resumption does not request the certificate again. Hosts share ticket keys, so a client of one host could pass
	// for a client of another.
	if cfg.ClientAuth != tls.NoClientCert {
		cfg.SessionTicketsDisabled = true
	}
}

// check returns an error for an unusable configuration.
func (t *site) check(cfg *tls.Config) error {
	switch {
	case len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && (t.choose == nil || t.isHeir()):
		return errors.New("no certificate: set CertFile and KeyFile, CertPEM and KeyPEM, or Certificates")
	case cfg.ClientAuth >= tls.VerifyClientCertIfGiven && cfg.ClientCAs == nil:
		return errors.New("ClientAuth verifies clients, but no authorities are trusted: set ClientCAs or ClientCAFile")
	case cfg.MaxVersion != 0 && cfg.MaxVersion < cfg.MinVersion:
		return fmt.Errorf("no version is left: the highest, of Base, is %s and the lowest %s",
			tls.VersionName(cfg.MaxVersion), tls.VersionName(cfg.MinVersion))
	}
	return nil
}

// configFor returns the configuration for one client.
func (t *site) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	t.id.check()
	cfg := t.current()
	if t.choose != nil {
		chosen, err := t.choose(hello)
		if err != nil {
			return nil, err
		}
		if chosen != nil {
			cfg = chosen.Clone()
			cfg.GetConfigForClient = nil
			t.apply(cfg)
		}
	}
	return refusing(cfg, hello.SupportedProtos), nil
}

// current returns the configuration with the current authorities.
func (t *site) current() *tls.Config {
	pool := t.cas.pool()
	t.mu.Lock()
	defer t.mu.Unlock()
	if pool != nil && t.config.ClientCAs != pool {
		t.config = t.config.Clone()
		t.config.ClientCAs = pool
	}
	return t.config
}

// refusing returns cfg, or a configuration that refuses a client that offers only other protocols. crypto/tls does so
// itself, unless the server speaks h2 and the client http/1.1, which it treats as a client without ALPN.
func refusing(cfg *tls.Config, offered []string) *tls.Config {
	isOffered := func(proto string) bool { return slices.Contains(offered, proto) }
	if !slices.Contains(cfg.NextProtos, "h2") || !isOffered("http/1.1") || slices.ContainsFunc(cfg.NextProtos, isOffered) {
		return cfg
	}
	strict := cfg.Clone()
	strict.NextProtos = []string{"h2 "} // a protocol that no client offers
	return strict
}

package http1

// parseChunkLine parses chunk-size [ chunk-ext ], the line before a chunk's data without its end. padding counts what is
// neither the size nor data: leading zeros and extensions. RFC 9112 7.1.
func parseChunkLine(p []byte) (size int64, padding int, err *Error) {
	const digits = 16
	n := 0
	for n < len(p) && class[p[n]]&isHex != 0 {
		if n == digits || size > (1<<63-1)>>4 {
			return 0, 0, errChunkSize
		}
		size = size<<4 | int64(hexValue(p[n]))
		n++
	}
	if n == 0 || !validExtensions(p[n:]) {
		return 0, 0, errChunkLine
	}
	return size, len(p) - hexLen(size), nil
}

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}

// hexLen returns how many hexadecimal digits n takes, without leading zeros.
func hexLen(n int64) int {
	digits := 1
	for n >= 16 {
		n >>= 4
		digits++
	}
	return digits
}

// validExtensions reports whether p is *( BWS ";" BWS name [ BWS "=" BWS value ] ). RFC 9112 7.1.1.
func validExtensions(p []byte) bool {
	for len(p) > 0 {
		p = skipSpace(p)
		if len(p) == 0 || p[0] != ';' {
			return false
		}
		var ok bool
		if p, ok = skipToken(skipSpace(p[1:])); !ok {
			return false
		}
		if value := skipSpace(p); len(value) > 0 && value[0] == '=' {
			if p, ok = skipExtensionValue(skipSpace(value[1:])); !ok {
				return false
			}
		}
	}
	return true
}

func skipSpace(p []byte) []byte {
	for len(p) > 0 && isSpace(p[0]) {
		p = p[1:]
	}
	return p
}

func skipToken(p []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(p) && class[p[n]]&isToken != 0 {
		n++
	}
	return p[n:], n > 0
}

// skipExtensionValue skips a token or a quoted string.
func skipExtensionValue(p []byte) (rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '"' {
		return skipToken(p)
	}
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == '"':
			return p[i+1:], true
		case c == '\\' && i+1 < len(p) && class[p[i+1]]&isValue != 0:
			i++
		case c == '\\', class[c]&isValue == 0:
			return nil, false
		}
	}
	return nil, false
}

package http2

import (
	"context"
	"time"

	frames "golang.org/x/net/http2"
)

// settingNoPriorities is SETTINGS_NO_RFC7540_PRIORITIES, RFC 9218 2.1.
const settingNoPriorities frames.SettingID = 0x9

// appendSettingsLocked appends the first frames of this side. The HPACK tables keep their initial size.
func (c *Conn) appendSettingsLocked() {
	settings := []frames.Setting{
		{ID: frames.SettingInitialWindowSize, Val: uint32(c.cfg.Window)},
		{ID: frames.SettingMaxFrameSize, Val: uint32(c.cfg.MaxFrame)},
		{ID: frames.SettingMaxHeaderListSize, Val: uint32(c.cfg.Limits.Head)},
	}
	if c.client {
		settings = append(settings, frames.Setting{ID: frames.SettingEnablePush, Val: 0})
	} else {
		settings = append(settings, frames.Setting{ID: frames.SettingMaxConcurrentStreams, Val: uint32(c.cfg.MaxStreams)},
			frames.Setting{ID: settingNoPriorities, Val: 1})
		if !c.cfg.NoConnect {
			settings = append(settings, frames.Setting{ID: frames.SettingEnableConnectProtocol, Val: 1})
		}
	}
	c.send.out = appendSettings(c.send.outLocked(), settings...)
	if more := int64(c.cfg.ConnWindow) - c.recv.window; more > 0 {
		c.send.out = appendWindowUpdate(c.send.out, 0, more)
		c.recv.window += more
	}
}

// onSettings applies the settings of the peer and acknowledges them.
func (rc *receiver) onSettings(f *frames.SettingsFrame) error {
	c := rc.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.IsAck() {
		if c.peer.acked {
			return c.noiseLocked("SETTINGS acknowledgements") // this side sends SETTINGS once
		}
		c.peer.acked = true
		rc.shrinkWindowsLocked()
		return nil
	}
	if c.peer.settled { // each may change the windows of all streams
		if err := c.noiseLocked("SETTINGS frames"); err != nil {
			return err
		}
	}
	if f.NumSettings() > maxSettings {
		return calm("too many settings in one frame")
	}
	for i := range f.NumSettings() {
		if err := rc.settingLocked(f.Setting(i)); err != nil {
			return err
		}
	}
	if !c.peer.settled {
		c.peer.settled, rc.input.until = true, time.Time{}
	}
	c.changeLocked()
	return c.send.acknowledgeLocked(appendFrame(c.send.outLocked(), 0, frames.FrameSettings, frames.FlagSettingsAck, 0))
}

// settingLocked applies one setting. Unknown ones are ignored.
func (rc *receiver) settingLocked(s frames.Setting) error {
	c := rc.c
	switch s.ID {
	case frames.SettingHeaderTableSize:
		c.send.encoder.SetMaxDynamicTableSize(s.Val)
	case frames.SettingEnablePush:
		if s.Val > 1 || c.client && s.Val != 0 {
			return protocolError("invalid SETTINGS_ENABLE_PUSH")
		}
	case frames.SettingMaxConcurrentStreams:
		c.peer.maxOpen = int(min(s.Val, 1<<31-1))
	case frames.SettingInitialWindowSize:
		return rc.newWindowLocked(int64(s.Val))
	case frames.SettingMaxFrameSize:
		if s.Val < 16<<10 || s.Val > 1<<24-1 {
			return protocolError("invalid SETTINGS_MAX_FRAME_SIZE")
		}
		c.send.maxFrame = int(s.Val)
	case frames.SettingEnableConnectProtocol:
		if s.Val > 1 || c.peer.connect && s.Val == 0 {
			return protocolError("invalid SETTINGS_ENABLE_CONNECT_PROTOCOL")
		}
		c.peer.connect = s.Val == 1
	case settingNoPriorities:
		if s.Val > 1 {
			return protocolError("invalid SETTINGS_NO_RFC7540_PRIORITIES")
		}
		c.peer.aware = c.peer.aware || s.Val == 1
	}
	return nil
}

// earlyWindow returns how much more than its window a stream may receive because the peer may not have seen the SETTINGS:
// RFC 9113 6.9.3. A server has seen them before any request.
func (c *Conn) earlyWindow() int64 {
	if c.client {
		return 0
	}
	return max(defaultWindow-int64(c.cfg.Window), 0)
}

// shrinkWindowsLocked reduces the windows of the open streams by earlyWindow when the peer has acknowledged the SETTINGS.
// They may become negative (6.9.2).
func (rc *receiver) shrinkWindowsLocked() {
	c := rc.c
	for _, s := range c.streams {
		s.In.window -= c.earlyWindow()
	}
}

// newWindowLocked changes the windows of all streams, which may become negative: RFC 9113 6.9.2.
func (rc *receiver) newWindowLocked(window int64) error {
	c := rc.c
	if window > maxWindow {
		return &ConnError{Code: FlowControlError, Reason: "window too large"}
	}
	change := window - c.peer.window0
	c.peer.window0 = window
	for _, s := range c.streams {
		if s.window+change > maxWindow {
			return &ConnError{Code: FlowControlError, Reason: "window too large"}
		}
		s.window += change
		s.scheduleLocked()
	}
	return nil
}

// AwaitSettings waits for the first SETTINGS of the peer.
func (c *Conn) AwaitSettings(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.peer.settled {
		if c.err != nil {
			return c.err
		}
		if err := c.waitLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// AllowsConnect reports whether the peer accepts extended CONNECT. The result is valid after AwaitSettings.
func (c *Conn) AllowsConnect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer.connect
}

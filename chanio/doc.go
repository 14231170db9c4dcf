package chanio

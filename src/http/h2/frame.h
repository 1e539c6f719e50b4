/* What every frame of HTTP/2 has (RFC 9113 section 4.1). */
#ifndef SALLYPORT_HTTP_H2_FRAME_H
#define SALLYPORT_HTTP_H2_FRAME_H

#define H2_FRAME_HEAD 9 /* bytes before its payload */

#endif

import Glibc

/// What to do about the error number (an errno) of an operation that writes a file.
package func remedyOfWriting(_ code: Int32) -> String {
  switch code {
  case ENOENT, ENOTDIR: "create the folder, or choose another path"
  case ENOSPC, EDQUOT: "free space on that file system or choose another folder, then run again"
  case EFBIG: "raise the limit on file sizes (ulimit -f), then run again"
  case EACCES, EPERM, EROFS: "correct the permissions or choose another folder"
  case EPIPE: "let its reader read to the end, or write to a file"
  case EBADF: "do not close it, or write to a file"
  case EISDIR: "name a file instead of a folder"
  default: "check the file system, then run again"
  }
}

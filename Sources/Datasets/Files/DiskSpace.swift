import Glibc

/// The free space on the disks of files.
enum DiskSpace {
  /// Throws exit code 74 if files of these sizes, written beside existing ones, exceed the free space.
  static func check(_ files: [(path: String, byteCount: Int)]) throws(DataError) {
    var needed: [UInt: Int] = [:]
    for (path, byteCount) in files {
      let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
      var status = statvfs()
      guard statvfs(folder, &status) == 0 else { throw DataError(.open, on: path, code: errno) }
      let free = Int(clamping: status.f_bavail.multipliedReportingOverflow(by: status.f_frsize).partialValue)
      let total = needed[status.f_fsid, default: 0].addingReportingOverflow(byteCount)
      guard !total.overflow, total.partialValue <= free else {
        throw .unwritable(
          path,
          "needs \(byteCount) bytes, and its disk has \(free) free; free some, or name a file on another disk")
      }
      needed[status.f_fsid] = total.partialValue
    }
  }
}

import Foundation
import LinearAlgebra
import Testing

/// Damages files in realistic ways: bytes changed, lost, repeated, cut off, mixed with another file, and words of the
/// format in wrong places.
struct Mutator {
  let seeds: [[UInt8]]
  let words: [[UInt8]]
  var generator: SplitMix64

  mutating func next() -> [UInt8] {
    var bytes = generator.pick(seeds)
    for _ in 0..<1 + below(4) {
      let place = below(bytes.count + 1)
      let end = place + below(min(8, bytes.count - place) + 1)
      switch below(8) {
      case 0 where place < bytes.count: bytes[place] = UInt8(below(256))
      case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8(below(8))
      case 2: bytes.insert(contentsOf: generator.pick(words), at: place)
      case 3: bytes.replaceSubrange(place..<end, with: generator.pick(words))
      case 4: bytes.removeSubrange(place..<end)
      case 5: bytes.insert(contentsOf: bytes[place..<end], at: below(bytes.count + 1))
      case 6 where below(4) == 0: bytes.removeSubrange(place...)
      case 7:
        let other = generator.pick(seeds)
        bytes.replaceSubrange(place..., with: other[below(other.count)...])
      default: break
      }
    }
    return bytes
  }

  private mutating func below(_ bound: Int) -> Int { Int(generator.next(below: UInt64(bound))) }
}

/// An unnamed file that is overwritten repeatedly.
final class RewrittenFile {
  private let descriptor: Int32
  private var path: String { "/proc/self/fd/\(descriptor)" }

  init() throws {
    // The file is in memory if there is room, since writing to a disk would take time.
    let folder = FileManager.default.isWritableFile(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
    var name = Array((folder + "/fuzz-XXXXXX").utf8CString)
    descriptor = mkstemp(&name)
    try #require(descriptor >= 0)
    unlink(name)
  }

  deinit { close(descriptor) }

  /// The path of the file, whose contents are now these bytes.
  func write(_ bytes: [UInt8]) -> String {
    precondition(ftruncate(descriptor, 0) == 0 && pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    return path
  }
}

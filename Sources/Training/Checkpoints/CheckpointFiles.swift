import Datasets
import Foundation
import Supervision

/// The checkpoints of one run: `step-00000120.safetensors` and the like in one folder. Only rank 0 uses it.
///
/// A checkpoint is complete as soon as it has its name (see `AtomicFile`), and always carries a checksum. Temporary
/// files and files with other names are ignored.
package struct CheckpointFiles: Sendable {
  package struct Checkpoint: Equatable, Sendable {
    package let step: Int
    package let path: String
  }

  package let folder: String

  package init(folder: String) {
    self.folder = folder
  }

  package func path(step: Int) -> String { "\(folder)/\(Self.fileName(step: step))" }

  /// The checkpoints by ascending step; empty if the folder does not exist.
  package func list() throws(StorageError) -> [Checkpoint] {
    try fileNames().compactMap(Self.step(ofFile:)).sorted().map { Checkpoint(step: $0, path: path(step: $0)) }
  }

  /// The checkpoint of the highest step; nil if there is none.
  package func latest() throws(StorageError) -> Checkpoint? { try list().last }

  /// Writes the checkpoint of `step`, and creates the folder for the first one.
  ///
  /// Checkpoints of later steps belong to a course that a resume from an earlier step has given up. They get the ending
  /// `.abandoned`, lest a later resume or `prune` take them for the newest.
  @discardableResult
  package func save(step: Int, _ file: TensorFile) throws(StorageError) -> Checkpoint {
    try create()
    let checkpoint = Checkpoint(step: step, path: path(step: step))
    try Safetensors.save(file, to: checkpoint.path)
    try abandonLater(than: step)
    return checkpoint
  }

  /// Creates the folder for the first checkpoint.
  func create() throws(StorageError) {
    try createFolder(folder, remedy: "correct the permissions or choose another run directory")
  }

  /// The ending of checkpoints of a course that has been given up.
  private static let abandonedEnding = ".abandoned"

  /// Gives the checkpoints of later steps another name.
  func abandonLater(than step: Int) throws(StorageError) {
    for later in try list() where later.step > step {
      guard rename(later.path, later.path + Self.abandonedEnding) == 0 else {
        throw StorageError(path: later.path, operation: "rename", code: errno)
      }
    }
  }

  /// The result of `loadLatest`.
  package struct Latest: Sendable {
    package let checkpoint: Checkpoint
    package let file: TensorFile
    /// The errors of newer, damaged checkpoints and of damaged copies of this one, newest first.
    package var damage: [StorageError] = []
    /// The paths of this checkpoint, of which this one is the first.
    package var copies: [String] = []
  }

  /// Reads the newest checkpoint of this folder and of its mirror; nil if there is none.
  ///
  /// One that is damaged in all its copies is an error (65) that names the newest intact one before it: the user decides which
  /// training to go on with. `fallsBack` makes that decision: it takes the newest intact one.
  package func loadLatest(fallsBack: Bool = false, mirror: CheckpointFiles? = nil) throws(StorageError) -> Latest? {
    var (damage, lost): ([StorageError], StorageError?) = ([], nil)
    for (step, copies) in try copies(mirror) {
      var failures: [StorageError] = []
      for path in copies {
        switch Result(catching: { () throws(StorageError) in try Self.load(path) }) {
        case .failure(let error): failures.append(error)
        case .success(let file):
          guard let lost, !fallsBack else {
            return Latest(
              checkpoint: Checkpoint(step: step, path: path), file: file, damage: damage + failures,
              copies: [path] + copies.drop { $0 != path }.dropFirst())
          }
          throw StorageError(
            .contents, path: lost.path, section: lost.section, problem: lost.problem,
            remedy: "--resume \(path) resumes from the previous good checkpoint, and so does --resume --fall-back")
        }
      }
      if let error = failures.first(where: { $0.kind != .contents }) { throw error }
      lost = lost ?? failures.first
      damage += failures
    }
    guard let first = lost else { return nil }
    throw StorageError(
      .contents, path: first.path, section: first.section, problem: first.problem,
      remedy: "no earlier checkpoint is intact, so start again in a new run directory")
  }

  /// The checkpoints, here and in a mirror, that a run goes back to from later than step `last`, newest first: those of steps that
  /// are multiples of `every`, where that is not 0, and none that time or a signal has made.
  private func candidates(
    upTo last: Int, every: Int, mirror: CheckpointFiles? = nil
  ) throws(StorageError) -> [Checkpoint] {
    try copies(mirror).filter { $0.step <= last && (every == 0 || $0.step.isMultiple(of: every)) }
      .flatMap { step, paths in paths.map { Checkpoint(step: step, path: $0) } }
  }

  /// The checkpoint that a run goes back to from later than step `last`; nil where none is intact.
  func retreat(upTo last: Int, every: Int, mirror: CheckpointFiles? = nil) throws(StorageError) -> Checkpoint? {
    for checkpoint in try candidates(upTo: last, every: every, mirror: mirror) {
      do throws(StorageError) {
        _ = try Self.load(checkpoint.path) { _, _ in .nothing }
        return checkpoint
      } catch {
        guard error.kind == .contents else { throw error }
      }
    }
    return nil
  }

  /// The paths of each checkpoint here and in a mirror, newest first. What cannot be looked at does not count beside what can.
  private func copies(_ mirror: CheckpointFiles?) throws(StorageError) -> [(step: Int, paths: [String])] {
    var all = try list()
    do throws(StorageError) {
      all += try mirror?.list() ?? []
    } catch {
      if all.isEmpty { throw error }
    }
    return Dictionary(grouping: all, by: \.step).sorted { $0.key > $1.key }.map { ($0.key, $0.value.map(\.path)) }
  }

  /// Reads a checkpoint, which must have its checksum and finite numbers.
  package static func load(_ path: String) throws(StorageError) -> TensorFile { try load(path) { _, _ in nil } }

  /// Reads a checkpoint as above, and keeps parts of its tensors, of which alone the numbers must be finite.
  static func load(
    _ path: String, keeping part: (_ name: String, _ shape: [Int]) -> TensorPart?
  ) throws(StorageError) -> TensorFile {
    let file = try Safetensors.load(path: path, requireChecksum: true, keeping: part)
    try file.requireFinite()
    return file
  }

  /// Reads a checkpoint again that has just been written, where that is asked for, and deletes older ones.
  ///
  /// - Parameter soundStep: the step up to which the newest checkpoint stays, too.
  func finish(
    _ path: String, _ options: Configuration.CheckpointOptions, soundStep: Int? = nil
  ) throws(StorageError) {
    if options.verify { try verify(path) }
    var spared: Checkpoint?
    if let soundStep { spared = try candidates(upTo: soundStep, every: options.every).first }
    try prune(keepLast: options.keep, sparing: spared)
  }

  /// Reads a checkpoint again that has just been written, from the disk and not from memory, and keeps nothing of it. Throws
  /// exit code 74 if it is not what was written; it gets the ending `.damaged` then, and counts for nothing any more.
  func verify(_ path: String) throws(StorageError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StorageError(path: path, operation: "open for reading", code: errno) }
    // It is on the disk, so that the kernel can forget it. Where it does not, its own copy is read.
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    close(descriptor)
    do throws(StorageError) {
      _ = try Self.load(path) { _, _ in .nothing }
    } catch {
      // Whatever fails here is less than what is told next.
      _ = rename(path, path + ".damaged")
      throw StorageError(
        .inputOutput, path: path, section: "read back", problem: error.problem,
        remedy: "the disk does not give what was written to it: check it, or write to another")
    }
  }

  /// Deletes all but the newest `count` checkpoints (the newest always stays), and the temporary files of processes
  /// that died while saving. Precondition: no process on another machine saves to this folder.
  package func prune(keepLast count: Int, sparing spared: Checkpoint? = nil) throws(StorageError) {
    for checkpoint in try list().dropLast(max(1, count)) where checkpoint != spared { try Self.remove(checkpoint.path) }
    let names = try fileNames()
    let abandoned = names.filter { $0.hasSuffix(Self.abandonedEnding) }.sorted()
    for name in abandoned.dropLast(max(1, count)) + names.filter(Self.isStaleTemporary) {
      try Self.remove("\(folder)/\(name)")
    }
  }

  /// Deletes all checkpoints, of a run that has ended and whose result is kept elsewhere.
  package func removeAll() throws(StorageError) {
    for checkpoint in try list() { try Self.remove(checkpoint.path) }
  }

  private static func fileName(step: Int) -> String {
    precondition(step >= 0, "steps are counted from zero")
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits + ".safetensors"
  }

  /// The step in the name of a checkpoint; nil for names that `fileName(step:)` does not give.
  private static func step(ofFile name: String) -> Int? {
    guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
    guard let step = Int(name.dropFirst(5).dropLast(12)), step >= 0 else { return nil }
    return fileName(step: step) == name ? step : nil
  }

  private static func isStaleTemporary(_ name: String) -> Bool {
    guard name.hasPrefix("."), let marker = name.range(of: TemporaryName.marker, options: .backwards),
      step(ofFile: String(name[..<marker.lowerBound].dropFirst())) != nil,
      let process = Int32(name[marker.upperBound...]), process > 0
    else { return false }
    // This process saves nothing while it prunes, so a temporary file with its id is from an earlier process of that
    // id.
    return process == getpid() || (kill(process, 0) != 0 && errno == ESRCH) || ProcessState.isZombie(process)
  }

  static func remove(_ path: String) throws(StorageError) {
    guard unlink(path) == 0 || errno == ENOENT else {
      throw StorageError(path: path, operation: "delete", code: errno)
    }
  }

  /// The names of all files in the folder; empty if it does not exist. Foundation's functions would take a read error
  /// for the end.
  private func fileNames() throws(StorageError) -> [String] {
    guard let stream = opendir(folder) else {
      if errno == ENOENT { return [] }
      throw StorageError(path: folder, operation: "list folder", code: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw StorageError(path: folder, operation: "list folder", code: errno) }
    return names
  }
}

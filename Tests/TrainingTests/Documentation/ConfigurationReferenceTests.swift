import Foundation
import Testing

@testable import Training

/// `docs/configuration.md` against the types of the configuration.
@Suite struct ConfigurationReferenceTests {
  /// A line of the reference: ``| `key` | default | meaning |``.
  struct Row {
    let key, standard, meaning: String
  }

  /// The lines of all tables of settings, whose keys have a section.
  static func rows() throws -> [Row] {
    try Documentation.text("docs/configuration.md").split(separator: "\n").compactMap { line in
      let match = line.wholeMatch(of: /\| `([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)` \| ([^|]*) \| ([^|]*) \|/)
      return match.map { Row(key: String($0.1), standard: String($0.2), meaning: String($0.3)) }
    }
  }

  /// All keys that hold a value instead of a section.
  static func keys() throws -> [String] {
    let paths = try KeyHints().paths
    return paths.filter { path in !paths.contains { $0.count > path.count && $0.starts(with: path) } }
      .map { $0.joined(separator: ".") }
  }

  @Test func `Every key has exactly one line and no line names another`() throws {
    let (rows, keys) = (try Self.rows().map(\.key), try Self.keys())
    #expect(keys.count > 60)
    #expect(Set(keys).subtracting(rows).sorted() == [], "keys without a line")
    #expect(Set(rows).subtracting(keys).sorted() == [], "lines without a key")
    #expect(Dictionary(grouping: rows) { $0 }.filter { $1.count > 1 }.keys.sorted() == [], "keys with several lines")
  }

  @Test func `No line of a table is passed over`() throws {
    let lines = try Documentation.text("docs/configuration.md").split(separator: "\n")
    let dotted = lines.count { $0.contains(/^\| `[a-z][a-z0-9_]*\./) }
    #expect(try Self.rows().count == dotted)
  }

  @Test func `Every line has the default of its key`() throws {
    let plain = try Configuration.parse("", source: "")
    let automatic = try Configuration.automaticKeys
    for row in try Self.rows() {
      if automatic.contains(row.key) {
        // What follows from other settings or the data has no value of its own.
        #expect(row.standard == (row.key == "data.normalize" ? "auto" : "null"), "\(row.key)")
      }
      let given = try Configuration.parse("", source: row.key, overrides: ["\(row.key)=\(row.standard)"])
      #expect(given == plain, "\(row.key): \(row.standard) is not the default")
    }
  }

  @Test func `Every word that a key takes is in its line`() throws {
    for row in try Self.rows() {
      do {
        _ = try Configuration.parse("", source: "", overrides: ["\(row.key)=no-such-word"])
      } catch let error as ConfigurationError {
        guard let words = error.problem.firstMatch(of: /one of (.*?)(?:, or null .*)?$/)?.1 else { continue }
        for word in words.split(separator: ", ") {
          #expect(row.meaning.contains("`\(word)`"), "\(row.key) takes \(word), and its line does not say so")
        }
      }
    }
  }
}

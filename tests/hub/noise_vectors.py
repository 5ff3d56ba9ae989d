"""Published vectors of the hub's Noise: made with noiseprotocol and checked against the published client.

Wire reference, noise.md sections 3 and 11. Everything in hex but texts.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.hub.protocol.noise import AES, CHACHA, KK, XX

PSKS = [
    ("Tr0ub4dor-Horse-Battery-91x", "node-alpha", "ce6825b343771aed1833233c8d1af4ce4e470cee89b625065402def527f900ce"),
    ("", "", "38bedc40c2ce3b79cd5ccf53745e029363f5ba1948cb21f018bcce6eb0869876"),
    ("passé-wörd", "hub-ümläut", "988418601dbad183fbd6116e7981e9ab8ffe93be3f3f45c27eb0b70c325f9cd8"),
]
PSK = bytes.fromhex(PSKS[0][2])

CLIENT_STATIC = bytes(range(0x20))
HUB_STATIC = bytes(range(0x20, 0x40))
CLIENT_EPHEMERAL = bytes(range(0x40, 0x60))
HUB_EPHEMERAL = bytes(range(0x60, 0x80))
CLIENT_STATIC_PUBLIC = bytes.fromhex("8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f")
HUB_STATIC_PUBLIC = bytes.fromhex("358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254")

HELLO = {"pubkey": "", "peer": "UA/1::1::exp::s", "node_id": "node-alpha"}
OFFER = {
    "max_protocol_version": 3,
    "binarize": False,
    "encodings": ["JSON-HEX"],
    "ciphers": ["AES-GCM"],
    "noise": {"patterns": ["KKpsk0", "XXpsk2"], "suites": ["25519_ChaChaPoly_SHA256", "25519_AESGCM_SHA256"]},
}
PAYLOAD_1 = b'{"binarize":false,"encodings":[]}'
PAYLOAD_2 = b'{"encoding": "JSON-HEX"}'
FRAME_0 = b"\x00{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeVector:
    """A whole handshake, and frame 0 of each direction."""

    pattern: str
    suite: str
    prologue_sha256: str
    messages: tuple[str, ...]
    hash: str
    client_to_hub: str
    hub_to_client: str

    def __str__(self) -> str:
        return f"{self.pattern}-{self.suite}"


HANDSHAKES = [
    HandshakeVector(
        pattern=XX,
        suite=CHACHA,
        prologue_sha256="9cddba096fa248efb27c051106c88c897dd0e9cf8fc506db1e7ca526f0ff002b",
        messages=(
            (
                "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51ae188427b4ae833c36bcbba299257640e"
                "82a3526d4671ab1cdc6eabb5c7b597dabab9bf5aa4ecbc059915306a43a9531e89"
            ),
            (
                "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f69c682faf6b3855e1e0675cba8088f45"
                "4443cedbc04e57f7e26f1cd94c638a4ddc84779eb583f6628ba4a26652c69be143624cfa77652d41ee22d3f195db0597"
                "b65ef24df55c6f7acd09e17a8a32cbfde2eec222bbe4986d"
            ),
            (
                "5284f72931b9015d636fa368ff456c603f004100e31c4561c92c8f3a23e3ac5231e39352bcf178469c9760661cf50cb1"
                "709e8d9458ee58ccee242b352f65798b"
            ),
        ),
        hash="a4affd8b5717436057531015b2ce3f434cf161abeaa525373d8bfb83d8842665",
        client_to_hub="aafc6eb42d9561630cdf2d99f5796814af7839",
        hub_to_client="93cc3dde8710b18083eff262c6efe730d626b7",
    ),
    HandshakeVector(
        pattern=KK,
        suite=CHACHA,
        prologue_sha256="a6ee3057a8dc95bc626c88f8cdcdb956f58019f7f1abb0406884980eb9df3509",
        messages=(
            (
                "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51ac8f80e6064c5b6fcab7a48894479555e"
                "9ca03a36147e00223f419515d485436e34e7b7c51050e6a113ad86c8d7d3506cd3"
            ),
            (
                "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52f90c525c666c5b2635a0fcae1aed16872"
                "811fc53f1f5574051f11964a3326219942d99a35a82f2bf3"
            ),
        ),
        hash="48bab540110c28fb929526542dddf690302068ab92c679bae51f14cf1887814d",
        client_to_hub="e6e6aaf00ac939f054bae537153580eb8fd2e0",
        hub_to_client="f95f594416461accef43d0d554c45877bafa9b",
    ),
    HandshakeVector(
        pattern=KK,
        suite=AES,
        prologue_sha256="31f99f1fa43c29f9a57b28ea6518ad4a6d77520c86389d91c536c5c24ddf6e34",
        messages=(
            (
                "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51af4225d55065c250120f9af8815ffc8eb"
                "ad5969ee366de715d469823228dcd38383243d156eb4a44f9ff6c15c6e65d0b0c9"
            ),
            (
                "675dd574ed7789310b3d2e7681f3790b466c773b1521fecf36577958371ea52fc3892970dde20d8c192a30a258a03992"
                "f8f52db110cfb74b9c6bb8034e1162ed8188deb5611c075b"
            ),
        ),
        hash="65191345c3a83a8f95a408750ef8fd455e2ea4fc43a93d2da11a87952daca67f",
        client_to_hub="740da1d850f8c89a57786a648ab5459411a87c",
        hub_to_client="8ca2c019070a062f4453495f673677913deea5",
    ),
]

NONCE_KEY = bytes(range(0x20))
NONCE_PLAINTEXT = b"noise-transport-vector"
NONCES = [
    (CHACHA, 0, "76d72b42c8cbd2a3720f2f11c0313a0a8ed490818edfa398489a90977d28e1e804160e81b654"),
    (CHACHA, 1, "f1389a2cd007db6a48d8dd2c3de7edaab318887a2819064363d7678f8b9eea0e2ddfba8dc3d3"),
    (AES, 0, "60d3dcadd001f7cf69c6da45775ee5b4a426352747f338bb2af87fdc1579d700c91a945fb6f8"),
    (AES, 1, "7bb9d68f21d9446c6f40224983d44eda63fa7f200bc0fffcd5d4c0be724d78c6ff213aeed524"),
    (AES, 258, "634779e501b1642347721a75d47243559573cbfac3370330645b209d163adf1c04f90a6a4bc2"),
]

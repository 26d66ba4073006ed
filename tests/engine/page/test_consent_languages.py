"""Banners of no known tool are recognised by their words, whatever the script, and other boxes with such words are not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests.engine.page.test_options import GREEN, picture
from tests.support.banners import ACCEPT, BAR, REFUSE, groups, page, stacked, worded
from tests.support.engine import Engine
from tests.support.site import Site

YELLOW, GREY = (255, 255, 0), (128, 128, 128)
TOP, BOTTOM = (390, 10), (390, 280)
# language → what a banner says, and its buttons that accept and refuse
BANNERS = {
    "Arabic": ("نستخدم ملفات تعريف الارتباط لتحسين تجربتك.", "قبول الكل", "رفض الكل"),
    "Arabic, with vowel signs": ("يستخدم هذا الموقع الكوكيز. بالمتابعة أنت توافق.", "أُوافِقُ", "الضَّرورية فقط"),
    "Hebrew": ("אנו משתמשים בעוגיות כדי לשפר את החוויה שלך.", "אשר הכל", "דחה הכל"),
    "Hebrew, necessary ones": ("אתר זה עושה שימוש בקובצי Cookie.", "אני מסכים/ה", "אישור עוגיות הכרחיות בלבד"),
    "Persian": ("این وب‌سایت از کوکی‌ها استفاده می‌کند.", "پذیرفتن همه", "رد کردن همه"),
    "Persian, necessary ones": ("برای بهبود تجربه شما از کوکی استفاده می‌کنیم.", "می‌پذیرم", "فقط کوکی‌های ضروری"),
    "Urdu": ("ہم کوکیز استعمال کرتے ہیں۔", "سب قبول کریں", "سب مسترد کریں"),
    "Thai": ("เราใช้คุกกี้เพื่อพัฒนาประสบการณ์ของคุณ", "ยอมรับทั้งหมด", "ปฏิเสธทั้งหมด"),
    "Thai, necessary ones": ("เว็บไซต์นี้มีการใช้งานคุกกี้", "ตกลง", "ใช้เฉพาะคุกกี้ที่จำเป็น"),
    "Vietnamese": ("Chúng tôi sử dụng cookie để cải thiện trải nghiệm.", "Chấp nhận tất cả", "Từ chối tất cả"),
    "Vietnamese, necessary ones": ("Trang web này có dùng cookie.", "Đồng ý", "Chỉ cookie cần thiết"),
    "Indonesian": ("Kami menggunakan cookie.", "Terima semua", "Tolak semua"),
    "Indonesian, necessary ones": ("Dengan melanjutkan, Anda menyetujui cookie.", "Oke, mengerti", "Hanya yang diperlukan"),
    "Malay": ("Laman web ini menggunakan kuki.", "Terima Semua", "Tolak Semua Kuki"),
    "Hindi": ("हम कुकीज़ का उपयोग करते हैं।", "सभी स्वीकार करें", "सभी अस्वीकार करें"),
    "Hindi, necessary ones": ("यह वेबसाइट कुकीज़ का इस्तेमाल करती है।", "ठीक है", "केवल आवश्यक कुकीज़"),
    "Bengali": ("আমরা কুকি ব্যবহার করি।", "সব গ্রহণ করুন", "সব প্রত্যাখ্যান করুন"),
    "Catalan": ("Utilitzem galetes pròpies i de tercers.", "Acceptar-les totes", "Rebutjar-les totes"),
    "Catalan, necessary ones": ("Aquest web fa servir galetes.", "D'acord", "Només les necessàries"),
    "Galician": ("Utilizamos cookies propias.", "Aceptar todas", "Rexeitar todas"),
    "Basque": ("Webgune honek cookieak erabiltzen ditu.", "Onartu guztiak", "Baztertu guztiak"),
    "Welsh": ("Rydym yn defnyddio cwcis.", "Derbyn pob cwcis", "Gwrthod pob cwcis"),
    "Albanian": ("Ne përdorim cookies.", "Prano të gjitha", "Refuzo të gjitha"),
    "Macedonian": ("Користиме колачиња.", "Прифати ги сите", "Одбиј ги сите"),
    "Georgian": ("ჩვენ ვიყენებთ ქუქი ფაილებს.", "ყველას მიღება", "ყველას უარყოფა"),
    "Ukrainian": ("Цей сайт використовує файли cookie.", "Погоджуюсь", "Відхилити"),
    "Greek": ("Εμείς και οι συνεργάτες μας αποθηκεύουμε cookies.", "ΣΥΜΦΩΝΩ", "ΔΙΑΦΩΝΩ"),
    "Turkish": ("Size daha iyi hizmet için çerez kullanıyoruz.", "Tamam", "Sadece gerekli çerezler"),
    "Romanian": ("Utilizăm module cookie.", "Accept", "Doar cele necesare"),
    "Hungarian": ("Sütiket használunk a jobb élményért.", "Összes elfogadása", "Csak a szükségesek"),
}  # fmt: skip
GROUPS = groups(BANNERS, 15)


def box(text: str, *labels: str, attributes: str = "") -> str:
    buttons = "".join(f" <a {does}>{label}</a>" for label, does in zip(labels, (ACCEPT, REFUSE), strict=False))
    return f"<div {attributes} style='{BAR};font-size:12px'>{text}{buttons}</div>"


INNOCENT_BARS = {
    "an Arabic footer": box("سياسة ملفات تعريف الارتباط سياسة الخصوصية شروط الاستخدام", "إغلاق"),
    "an Arabic form to comment": box("ما رأيك في الكوكيز بالشوكولاتة؟", "حفظ", "رد"),
    "a Hebrew bakery": box("עוגיות טריות בכל יום! מבצע", "הזמינו עכשיו", "לא תודה"),
    "a Hebrew footer": box("מדיניות עוגיות, מדיניות פרטיות, תנאי שימוש באתר", "סגור"),
    "a Persian chat": box("درباره‌ی کوکی‌ها سؤالی دارید؟ شرایط استفاده", "بستن"),
    "an Urdu footer": box("کوکیز کی پالیسی، استعمال کی شرائط", "بند کریں"),
    "a Thai footer": box("นโยบายการใช้คุกกี้ ข้อกำหนดการใช้งาน นโยบายความเป็นส่วนตัว", "ปิด"),
    "a Thai bakery": box("คุกกี้อบใหม่ทุกวัน ซื้อ 1 แถม 1", "ตกลง"),
    "a Vietnamese dialog about age": box("Bạn đã đủ 18 tuổi chưa?", "Đồng ý", "Từ chối", attributes="role=dialog"),
    "a Vietnamese footer": box("Chính sách cookie, Điều khoản sử dụng, Bảo vệ thông tin cá nhân", "Đóng"),
    "an Indonesian log-in": box("Masuk. Anda menyetujui kebijakan cookie. <input type=password>", "Setuju", "Tolak", attributes="role=dialog"),
    "an Indonesian footer": box("Kebijakan cookie, Syarat penggunaan, Kebijakan privasi", "Tutup"),
    "a Hindi choice of language": box("अपनी भाषा चुनें", "ठीक है", "सहमत नहीं", attributes="role=dialog"),
    "a Hindi footer": box("कुकी नीति, उपयोग की शर्तें, गोपनीयता नीति", "बंद करें"),
    "a Bengali footer": box("কুকি নীতি, ব্যবহারের শর্তাবলী, গোপনীয়তা নীতি", "বন্ধ করুন"),
    "a Catalan bakery": box("Galetes artesanes, acabades de fer!", "Compra", "No, gràcies"),
    "a Catalan footer": box("Política de galetes, Condicions d'ús, Privacitat", "Tanca"),
    "an Albanian and a Welsh footer": box("Politika e cookies, Kushtet e përdorimit. Polisi cwcis, Telerau defnyddio", "Mbyll"),
    "a Georgian and a Macedonian footer": box("ქუქის პოლიტიკა, გამოყენების წესები. Политика за колачиња, Услови за користење", "დახურვა"),
}  # fmt: skip

ARTICLE = f"<p style='height:200px;margin:0'>مقال<article style='height:100px;background:grey'>{'نستخدم ملفات تعريف الارتباط'} <a {ACCEPT}>قبول الكل</a> <a {REFUSE}>رفض الكل</a></article>"
STACK = 5  # bars in one page, one above the other: test_banners.py shows that their places do not matter
STACKS = groups(INNOCENT_BARS, STACK)
IN_BARS = [(390, 100 * (STACK + 1 - n) - 20) for n in range(STACK)]

Pictures = dict[str, Image.Image]


@pytest.fixture(scope="module")
def pictures(engine: Engine, site: Site) -> Pictures:
    pages = {
        name: page("".join(worded(*BANNERS[each]) for each in group), banners=len(group))
        for name, group in GROUPS.items()
    } | {names: page(stacked(INNOCENT_BARS[each] for each in group)) for names, group in STACKS.items()}
    pages["an article"] = page(ARTICLE)

    def capture(numbered: tuple[int, str]) -> Image.Image:
        number, name = numbered
        url = site.add(f"/language/{number}", pages[name])
        height = 100 * (STACK + 1) if name in STACKS else 300
        return picture(engine.capture(url, width=400, height=height, block_cookie_banners=1))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(pages, pool.map(capture, enumerate(pages)), strict=True))


@pytest.mark.parametrize("languages", GROUPS)
def test_the_banners_are_refused_and_hidden(pictures: Pictures, languages: str):
    assert [pictures[languages].getpixel(place) for place in (TOP, BOTTOM)] == [GREEN, GREEN]


@pytest.mark.parametrize("names", STACKS)
def test_bars_that_are_no_banners_stay(pictures: Pictures, names: str):
    places = IN_BARS[: len(STACKS[names])]
    assert [pictures[names].getpixel(place) for place in (TOP, *places)] == [YELLOW] + [GREY] * len(places)


def test_an_article_stays(pictures: Pictures):
    assert [pictures["an article"].getpixel(place) for place in (TOP, BOTTOM)] == [YELLOW, GREY]
